// The first evening with a phone, in German: from the one-time link to signing out. All that is met on the way takes a finger.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PASSWORD, PHONE, Server, accessible, open, picture, quit, totp, touchable, until } from './support.js';

/** @type {Server} */
let server;
let link;
before(async () => {
  server = await Server.start();
  ({ link } = await server.firstLink());
});
after(async () => {
  await quit();
  await server.stop();
});

test('from the first link to signing out, by finger', async () => {
  const { page, goto, close } = await open(server, { size: PHONE, locale: 'de-DE' });
  let step = 0;
  /** What is seen now is good. */
  const look = async (name) => {
    step += 1;
    await picture(page, `walk-${String(step).padStart(2, '0')}-${name}`);
    await accessible(page, name);
    await touchable(page, name);
  };
  const dialog = page.getByRole('dialog');
  const tap = (name, where = page) => where.getByRole('button', { name }).first().tap();
  /** On the first row, beside its name. */
  const tapRow = async () => {
    const { x, y, width, height } = await page.locator('.rows li .state').first().boundingBox();
    await page.touchscreen.tap(x + width / 2, y + height / 2);
  };
  /** To one of the pages of the bar below. */
  const to = async (name, there) => {
    await page.locator('nav').getByRole('link', { name }).tap();
    await page.getByRole('heading', { level: 1, name }).waitFor();
    await page.locator(there).first().waitFor();
  };

  await page.goto(link);
  await page.getByRole('heading', { name: 'Willkommen' }).waitFor();
  await look('welcome');
  await page.getByLabel('Neues Passwort').fill(PASSWORD);
  await tap('Passwort setzen und anmelden');
  await page.getByRole('heading', { name: 'Drei Schritte' }).waitFor();
  await look('first-steps');

  await page.getByRole('link', { name: 'Agent anlegen' }).tap();
  await dialog.waitFor();
  await look('add-agent');
  await tap('Code', dialog);
  await dialog.getByRole('img').waitFor();
  await look('add-agent-code');
  const command = await dialog.locator('code').first().textContent();
  const [, code, words] = /^NETIGNITE_ENROLMENT_CODE=(\S+) netignite (.*)$/.exec(command ?? '') ?? [];
  const enrol = server.run([...words.split(' '), '--name', 'Dachboden'], { NETIGNITE_ENROLMENT_CODE: code });
  await until('the agent enrols', () => enrol.exitCode !== null);
  const printed = enrol.output.trim().split('\n').at(-1).split(' ');
  await dialog.getByText('Dachboden').first().waitFor();
  await look('add-agent-made');
  server.run(printed.slice(1));
  await dialog.locator('.success').waitFor();
  await look('add-agent-done');
  await dialog.locator('a.primary').tap();

  await page.locator('ni-first-steps .next').waitFor();
  await look('second-step');
  await tap('Gerät anlegen');
  await dialog.waitFor();
  await dialog.locator('details summary').tap();
  await look('add-device');
  await dialog.getByLabel('Name').fill('Arbeitszimmer-PC');
  await dialog.getByLabel('MAC-Adresse').fill('AA:BB:CC:00:11:22');
  await dialog.getByLabel('Adresse', { exact: false }).last().fill('192.0.2.77');
  await tap('Gerät anlegen', dialog);
  await page.locator('.rows li').waitFor();
  await look('devices');

  // A wake that fails, sooner than one waits otherwise.
  await page.route('**/wakeup', (route) => route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), timeout: 5 }) }));
  await tap('Arbeitszimmer-PC wecken');
  await page.locator('.rows .state.busy').waitFor();
  await page.locator('.rows .why').waitFor();
  /** The words of the row are there whole, beside its button. */
  const whole = () => page.locator('.rows .what .state > span').evaluate((words) => words.scrollWidth <= words.clientWidth);
  assert.ok(await whole());
  await look('waking');
  await page.locator('.rows .state.failed').waitFor();
  // Its agent has its number, and is online.
  assert.equal(await page.locator('.rows .state.online').count(), 0);
  assert.ok(await whole());
  await look('failed');
  await page.locator('.rows .why').tap();
  await dialog.locator('.advice').waitFor();
  await dialog.getByText('Nachgesehen: es antwortet nicht').first().waitFor();
  assert.equal(await dialog.locator('[lang=en]').count(), 0, 'all of it is German');
  await look('why');
  await tap('Schließen', dialog);
  // The row itself leads to the device.
  await tapRow();
  await page.getByRole('heading', { level: 1, name: 'Arbeitszimmer-PC' }).waitFor();
  await page.locator('.band').waitFor();
  await look('device');
  await tap('Ändern, wie es geweckt');
  await look('device-options');
  await tap('Abbrechen');

  await to('Agenten', '.rows li');
  await look('agents');
  await tapRow();
  await page.getByRole('heading', { level: 1, name: 'Dachboden' }).waitFor();
  await look('agent');
  await page.locator('summary', { hasText: 'GET_STATUS' }).tap();
  await page.locator('details[open] form').waitFor();
  await look('agent-command');
  await tap('Geräte finden');
  await dialog.getByRole('button').nth(1).waitFor();
  await look('discover');
  await tap('Schließen', dialog);

  await to('Vorgänge', '.rows li');
  await look('operations');
  await tapRow();
  await page.locator('.trail').waitFor();
  await look('operation');

  await to('Benutzer', '.rows li');
  await look('users');
  await tap('Benutzer anlegen');
  await dialog.getByLabel('Benutzername').fill('anna');
  await dialog.getByLabel('Passwort').fill('ein Passwort von Anna');
  await look('add-user');
  await tap('Benutzer anlegen', dialog);
  await page.getByText('anna', { exact: true }).waitFor();
  await tap('Mehr zu anna');
  await look('user-menu');
  await page.keyboard.press('Escape');

  await to('Protokoll', '.rows li');
  await look('audit');
  await to('Server', '.figure');
  await look('server');

  await tap('Menü von admin');
  await look('menu');
  await page.getByRole('link', { name: 'Konto' }).tap();
  await page.getByRole('heading', { level: 1, name: 'Konto' }).waitFor();
  await look('account');
  await tap('Zweiten Faktor einrichten');
  await dialog.locator('input').fill(PASSWORD);
  await tap('Weiter', dialog);
  await dialog.getByRole('img').waitFor();
  await look('totp');
  const secret = await dialog.locator('code').first().textContent();
  await dialog.locator('[name=code]').fill(totp(secret));
  await tap('Einschalten', dialog);
  await dialog.locator('.codes').waitFor();
  await look('codes');
  await dialog.locator('button.primary').tap();
  await tap('Neues Token');
  await look('token');
  await tap('Abbrechen', dialog);
  await tap('Passwort ändern');
  await look('password');
  await tap('Abbrechen', dialog);

  await goto('no/such/page');
  await page.getByRole('heading', { level: 1 }).waitFor();
  await look('nothing');
  await tap('Suchen');
  await page.getByRole('combobox').fill('arb');
  await page.getByRole('option').first().waitFor();
  await look('search');
  await tap('Schließen', dialog);
  await tap('Menü von admin');
  await tap('Abmelden');
  await page.getByLabel('Benutzername').waitFor();
  await look('signed-out');
  assert.equal(await page.getByText('abgelaufen').count(), 0);
  await page.getByRole('link').last().tap();
  await page.getByRole('heading', { level: 1 }).waitFor();
  await look('reset');
  await close();
});
