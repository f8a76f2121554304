// Signing in from the first moment: the form of the document is sent before the modules are there, and what they show then
// is what they would show had they sent it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DESKTOP, PASSWORD, PHONE, Server, accessible, open, quit, totp, until } from './support.js';

const BERT = 'a password of bert';
const CARLA = 'a password of carla';

/** @type {Server} */
let server;
let secret;
before(async () => {
  server = await Server.start();
  await server.signIn();
  await server.api('POST', 'admin/users', { username: 'bert', password: BERT, role: 'admin' });
  await server.api('POST', 'admin/users', { username: 'carla', password: CARLA, role: 'user' });
  await server.signIn('carla', CARLA);
  ({ secret } = await server.api('POST', 'account/totp', { currentPassword: CARLA }));
  await server.api('POST', 'account/totp/confirm', { code: totp(secret) });
});
after(async () => {
  await quit();
  await server.stop();
});

/** A window whose modules are held back, and what lets them go. */
async function held(path = '', options = {}) {
  const window = await open(server, options);
  let release = () => undefined;
  const gone = new Promise((resolve) => {
    release = resolve;
  });
  await window.page.route(/\.js$/, (route) => (route.request().url().endsWith('/early.js') ? route.continue() : gone.then(() => route.continue())));
  await window.page.goto(server.url + path, { waitUntil: 'commit' });
  await window.page.locator('#early input').first().waitFor();
  const logins = () => window.requests.filter((request) => request.url().endsWith('/api/auth/login'));
  return { ...window, release, logins };
}

/** Types a name and a password into the form that has the focus, and sends it. */
async function send(page, username, password) {
  await page.keyboard.type(username);
  await page.keyboard.press('Tab');
  await page.keyboard.type(password);
  await page.keyboard.press('Enter');
}

/** Waits until a form was sent and answered, while no module is there. */
async function answered({ page, logins }) {
  await until('it is sent', () => logins().length > 0);
  assert.ok(await logins()[0].response());
  assert.equal(await page.evaluate(() => customElements.get('ni-app')), undefined, 'no module is there');
}

test('what is typed before the modules are there is kept, and one form gives way to the other without a jump', async () => {
  for (const [locale, name, password, button] of [['en-GB', 'User name', 'Password', 'Sign in'], ['de-DE', 'Benutzername', 'Passwort', 'Anmelden']]) {
    const size = locale === 'en-GB' ? DESKTOP : PHONE;
    const { page, close, release } = await held('users', { locale, size });
    await page.getByRole('heading', { name: button }).waitFor();
    assert.equal(await page.locator('html').getAttribute('lang'), locale.slice(0, 2));
    await accessible(page, `the form of the document, ${locale}`);
    const form = await page.screenshot({ caret: 'hide' });
    await page.keyboard.type('bert');
    await page.getByLabel(password).fill('a passord of bert');
    for (const key of ['Home', ...Array(6).fill('ArrowRight')]) await page.keyboard.press(key);
    release();
    await page.locator('ni-sign-in').waitFor();
    await page.locator('#early').waitFor({ state: 'detached' });
    assert.equal(await page.getByLabel(name).inputValue(), 'bert');
    // The caret is where it was.
    await page.keyboard.type('w');
    assert.equal(await page.getByLabel(password).inputValue(), BERT);
    await page.keyboard.press('Enter');
    await page.getByText('carla', { exact: true }).first().waitFor();
    await close();

    const again = await open(server, { locale, size });
    await again.goto('users');
    await again.page.locator('#early').waitFor({ state: 'detached' });
    assert.ok(form.equals(await again.page.screenshot({ caret: 'hide' })), 'both forms look alike');
    await again.close();
  }
});

test('it is sent once, before the modules are there, and they go on as signed in', async () => {
  for (const late of [false, true]) {
    const window = await held('users');
    const { page, close, release, logins } = window;
    // The server's answer comes before the modules, or after them.
    let answer = () => undefined;
    const slow = new Promise((resolve) => {
      answer = resolve;
    });
    if (late) await page.route('**/api/auth/login', (route) => slow.then(() => route.continue()));
    await page.keyboard.press('Enter');
    await send(page, 'bert', BERT);
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Sign in' }).click({ force: true });
    if (!late) await answered(window);
    await until('it is sent', () => logins().length === 1);
    assert.deepEqual(logins()[0].postDataJSON(), { username: 'bert', password: BERT });
    assert.equal(page.url(), `${server.url}users`, 'nothing of it is in the address');
    release();
    if (late) {
      const button = page.locator('ni-sign-in button');
      await button.and(page.locator('.busy')).waitFor();
      await button.click({ force: true });
      answer();
    }
    await page.getByRole('heading', { level: 1, name: 'Users' }).waitFor();
    await page.getByText('carla', { exact: true }).first().waitFor();
    assert.equal(logins().length, 1, 'it was sent once');
    assert.equal(page.url(), `${server.url}users`);
    await close();
  }
});

test('what the server refuses is shown by the page’s own form, which goes on from there', async () => {
  const wrong = await held('', { locale: 'de-DE' });
  await send(wrong.page, 'bert', 'not the password');
  await answered(wrong);
  wrong.release();
  await wrong.page.getByText('Benutzername und Passwort passen nicht zusammen').waitFor();
  assert.equal(await wrong.page.getByLabel('Benutzername').inputValue(), 'bert');
  await wrong.page.getByLabel('Passwort').fill(BERT);
  await wrong.page.keyboard.press('Enter');
  await wrong.page.getByRole('button', { name: 'Menü von bert' }).waitFor();
  assert.equal(wrong.logins().length, 2);
  await wrong.close();

  const second = await held();
  await send(second.page, 'carla', CARLA);
  await answered(second);
  second.release();
  await second.page.getByLabel('Code').waitFor();
  await until('the code has the focus', () => second.page.evaluate(() => document.activeElement?.getAttribute('name') === 'code'));
  await second.page.keyboard.type(totp(secret, 1));
  await second.page.keyboard.press('Enter');
  await second.page.getByRole('button', { name: 'Menu of carla' }).waitFor();
  await second.close();

  const first = await held();
  await send(first.page, 'admin', server.firstPassword);
  await answered(first);
  first.release();
  const dialog = first.page.getByRole('dialog');
  await dialog.getByText('Choose your password').waitFor();
  await dialog.getByLabel('New password').fill(PASSWORD);
  await dialog.getByRole('button', { name: 'Change password' }).click();
  await first.page.getByText('Your password was changed').waitFor();
  await first.close();

  const lost = await held();
  await lost.page.route('**/api/auth/login', (route) => route.abort());
  await send(lost.page, 'bert', BERT);
  await until('it is sent', () => lost.logins().length === 1);
  lost.release();
  await lost.page.getByText('The server does not answer. Check').waitFor();
  await lost.close();

  const throttled = await held();
  // As somebody else has tried it too often.
  await until('the server has had enough', async () => {
    const answer = await fetch(`${server.url}api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'dora', password: 'not the password' }),
    });
    return answer.status === 429;
  });
  await send(throttled.page, 'dora', 'not the password');
  await answered(throttled);
  throttled.release();
  await throttled.page.getByText(/Too many attempts failed. Wait \d+ s/).waitFor();
  await throttled.close();
});

test('the language and the theme that were chosen are there from the first moment', async () => {
  const { context, page, goto, close } = await open(server);
  await goto();
  await send(page, 'bert', BERT);
  const menu = page.getByRole('button', { name: 'Menu of bert' });
  await menu.click();
  await page.getByLabel('Appearance').selectOption('Dark');
  await page.getByLabel('Language').selectOption('Deutsch');
  await page.getByRole('button', { name: 'Menü von bert' }).click();
  await page.getByRole('button', { name: 'Abmelden' }).click();
  await page.getByRole('heading', { name: 'Anmelden' }).waitFor();
  const state = await context.storageState();
  await close();

  const again = await held('', { state });
  await again.page.getByLabel('Benutzername').waitFor();
  const now = () => again.page.evaluate(() => [document.documentElement.lang, getComputedStyle(document.documentElement).backgroundColor]);
  const shown = await now();
  assert.deepEqual(shown, ['de', 'rgb(19, 17, 16)']);
  again.release();
  await again.page.locator('#early').waitFor({ state: 'detached' });
  assert.deepEqual(await now(), shown);
  assert.equal(again.requests.filter((request) => request.url().includes('/i18n/')).length, 1, 'no words are asked for in vain');
  await again.close();
});

test('how soon the form can be sent, on a machine a quarter as fast', async () => {
  const sent = [];
  const own = [];
  for (let i = 0; i < 7; i += 1) {
    const { context, page, goto, close } = await open(server);
    const devtools = await context.newCDPSession(page);
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: 4 });
    await context.addInitScript(() => {
      new MutationObserver((_, observer) => {
        const form = document.querySelector('#early form');
        if (!form?.querySelector('button')) return;
        observer.disconnect();
        for (const input of form.querySelectorAll('input')) input.value = 'eva';
        form.requestSubmit();
      }).observe(document, { childList: true, subtree: true });
    });
    await goto();
    await page.locator('ni-sign-in').waitFor();
    own.push(await page.evaluate(() => performance.now()));
    // It is in the browser's list once it is answered.
    const request = await page.waitForFunction(() => performance.getEntriesByType('resource').find(({ name }) => name.endsWith('/api/auth/login')));
    sent.push(await request.evaluate(({ startTime }) => startTime));
    await close();
  }
  const figures = (times) => `${Math.min(...times).toFixed(0)} ms at least, ${times.sort((a, b) => a - b)[times.length >> 1].toFixed(0)} ms in the middle`;
  console.log(`the form can be sent after ${figures(sent)}; the page's own form is there after ${figures(own)}`);
  // How fast this machine is depends on what else it does; that nothing waits for the modules does not.
  assert.ok(Math.min(...sent) < Math.min(...own), 'before the modules have shown theirs');
});
