// The main job, as somebody does it for the first time: from the first start's password to a woken device; and once more
// with nothing but the keyboard.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DESKTOP, PASSWORD, PHONE, Server, open, picture, program, quit, signIn, until } from './support.js';

/** @type {Server} */
let server;
before(async () => {
  server = await Server.start();
});
after(async () => {
  await quit();
  await server.stop();
});

test('from the first start to a woken device, by what the page says', async () => {
  const { page, goto, close } = await open(server);
  await goto();
  await page.getByLabel('User name').waitFor();
  await picture(page, 'sign-in');
  await signIn(page, 'admin', 'not the password');
  await page.getByText('do not match').waitFor();
  await signIn(page, 'admin', server.firstPassword);

  const dialog = page.getByRole('dialog');
  await dialog.getByText('Choose your password').waitFor();
  await dialog.getByLabel('New password').fill(PASSWORD);
  await dialog.getByRole('button', { name: 'Change password' }).click();
  await page.getByText('Your password was changed').waitFor();

  await page.getByRole('heading', { name: 'Three steps to the first wake' }).waitFor();
  await picture(page, 'first-steps');
  await page.getByRole('link', { name: 'Add agent' }).click();
  await dialog.getByRole('button', { name: 'Make a code' }).click();
  const command = await dialog.getByLabel('Command that makes the agent', { exact: true }).textContent();
  await dialog.getByText('Waiting until it connects').waitFor();
  await picture(page, 'add-agent');
  assert.ok(await dialog.getByRole('img', { name: 'QR code of the command' }).isVisible());

  // The command is run as it stands there, and so is what it prints.
  const [, code, words] = /^NETIGNITE_ENROLMENT_CODE=(\S+) netignite (.*)$/.exec(command ?? '') ?? [];
  const enrol = server.run([...words.split(' '), '--name', 'Attic Pi'], { NETIGNITE_ENROLMENT_CODE: code });
  await until('the agent enrols', () => enrol.exitCode !== null);
  const printed = enrol.output.trim().split('\n').at(-1).split(' ');
  await dialog.getByText('Attic Pi is there').waitFor();
  assert.equal(printed[0], program);
  server.run(printed.slice(1));
  await dialog.getByText('Attic Pi is connected').first().waitFor();
  await dialog.getByRole('link', { name: 'Add devices' }).click();

  await page.getByRole('button', { name: 'Add device' }).last().click();
  await dialog.getByLabel('Name').fill('Workstation');
  await dialog.getByLabel('MAC address').fill('aabbcc001122');
  await dialog.getByLabel('Address', { exact: false }).last().fill('127.0.0.1');
  await dialog.getByRole('button', { name: 'Add device' }).click();
  await page.getByText('Device added').waitFor();
  await page.getByText('AA:BB:CC:00:11:22').or(page.getByText('127.0.0.1')).first().waitFor();
  await page.getByRole('button', { name: 'Wake Workstation' }).click();
  await page.getByText('Was online already', { exact: true }).waitFor();
  assert.match(await page.locator('#announcements').textContent(), /Workstation was online already/);
  await close();
});

test('the main job with the keyboard alone', async () => {
  await server.signIn('admin', PASSWORD);
  const { page, goto, close } = await open(server);
  const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent?.trim() ?? '');
  /** Presses Tab until something of this name has the focus, which must always be somewhere that can be seen. */
  const tabTo = async (name) => {
    for (let i = 0; i < 60; i += 1) {
      await press('Tab');
      const seen = await page.evaluate(() => {
        const one = document.activeElement;
        if (!one || one === document.body) return 'nowhere';
        const { width, height } = one.getBoundingClientRect();
        return width > 0 && height > 0 ? 'seen' : 'hidden';
      });
      if ((await focused()).includes(name)) {
        assert.equal(seen, 'seen', name);
        return;
      }
    }
    assert.fail(`Tab does not reach ${name}`);
  };
  await goto();
  await page.getByLabel('User name').waitFor();
  await page.keyboard.type('admin');
  await press('Tab');
  await page.keyboard.type(PASSWORD);
  await press('Enter');
  await page.getByText('Workstation').waitFor();

  await tabTo('Add device');
  await press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('MAC address').waitFor();
  await until('the name has the focus', () => page.evaluate(() => document.activeElement?.getAttribute('name') === 'name'));
  await page.keyboard.type('Second');
  await press('Tab', 'Tab');
  await page.keyboard.type('AA:BB:CC:00:11:33');
  await press('Tab', 'Tab');
  await page.keyboard.type('127.0.0.2');
  await press('Enter');
  await page.getByText('Device added').waitFor();
  // Where the dialog was opened from, there one is again.
  assert.match(await focused(), /Add device/);

  await press('/');
  await page.keyboard.type('second');
  await until('one row is left', async () => (await page.locator('.rows li').count()) === 1);
  await tabTo('Wake Second');
  await press('Enter');
  await page.getByText('Was online already', { exact: true }).first().waitFor();

  await press('Control+k');
  await page.getByRole('combobox').waitFor();
  await page.keyboard.type('workst');
  await page.getByRole('option', { name: /Workstation/ }).first().waitFor();
  await press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Workstation' }).waitFor();
  await until('the heading has the focus', async () => (await focused()) === 'Workstation');
  await page.goBack();
  await page.getByRole('heading', { level: 1, name: 'Devices' }).waitFor();

  // Up and down go from row to row.
  await page.locator('.rows .name a').first().focus();
  await press('ArrowDown');
  assert.equal(await focused(), 'Workstation');
  await close();
});

test('a wake whose agent is offline waits for it, and can be withdrawn', async () => {
  const agent = await server.api('POST', 'agents', { name: 'Garage', type: 'microcontroller', description: '', secret: 'long enough secret' });
  await server.api('POST', 'devices', { name: 'Car charger', type: 'server', macAddress: 'AA:BB:CC:00:11:44', agentID: agent });
  const { page, goto, close } = await open(server, { size: PHONE });
  await goto();
  await signIn(page, 'admin', PASSWORD);
  await page.getByRole('button', { name: 'Wake Car charger' }).click();
  await page.getByText('Queued…', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Cancel waking Car charger' }).click();
  await page.getByText('Withdrawn', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Show why' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('It was withdrawn', { exact: false }).first().waitFor();
  await dialog.getByRole('link', { name: 'See the operation' }).waitFor();
  await page.keyboard.press('Escape');
  await close();
});

test('a device is edited, shared, and deleted; an agent is named anew and asked', async () => {
  await server.api('POST', 'admin/users', { username: 'anna', password: 'a password of anna', role: 'user' });
  const { page, goto, close } = await open(server, { size: DESKTOP, scheme: 'dark' });
  await goto('devices/1');
  await signIn(page, 'admin', PASSWORD);
  const dialog = page.getByRole('dialog');
  await page.getByRole('heading', { level: 1, name: 'Workstation' }).waitFor();
  await page.getByRole('button', { name: 'Edit' }).click();
  await dialog.getByLabel('Name').fill('Big workstation');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('heading', { level: 1, name: 'Big workstation' }).waitFor();

  await page.getByRole('button', { name: 'Share' }).click();
  await dialog.getByLabel('User name').fill('nobody such');
  await dialog.getByRole('button', { name: 'Share' }).click();
  await dialog.getByText('There is no user of this name').waitFor();
  await dialog.getByLabel('User name').fill('anna');
  await dialog.getByRole('button', { name: 'Share' }).click();
  await page.getByText('anna', { exact: true }).waitFor();

  await page.getByRole('button', { name: 'Delete Big workstation' }).click();
  await dialog.getByRole('button', { name: 'Delete Big workstation' }).click();
  await page.getByText('Big workstation was deleted').waitFor();
  await page.getByRole('heading', { level: 1, name: 'Devices' }).waitFor();

  await page.getByRole('link', { name: 'Agents' }).click();
  await page.getByRole('link', { name: 'Attic Pi' }).click();
  await page.getByText('GET_STATUS', { exact: true }).click();
  const command = page.locator('details[open]');
  await command.getByLabel('Address', { exact: true }).fill('127.0.0.1');
  await command.getByRole('button', { name: 'Send' }).click();
  await command.getByText('127.0.0.1 answers').waitFor();
  await page.getByText('WAKEUP', { exact: true }).click();
  const wake = page.locator('details', { hasText: 'WAKEUP' });
  await wake.getByLabel('MAC address').fill('AA:BB:CC:00:11:55');
  await wake.getByLabel('Port').fill('9');
  await wake.getByRole('button', { name: 'Send' }).click();
  await wake.locator('.reply').getByText('OK').waitFor();
  await page.getByRole('button', { name: 'Hand over a new secret' }).click();
  await dialog.getByRole('button', { name: 'New secret' }).click();
  await page.getByText('Attic Pi has the new secret').waitFor();
  await close();
});
