// Who signs in, how, and for how long: second factors, resets, sessions that end elsewhere, two tabs, a server that goes
// and comes back; and what is managed of users and tokens.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PASSWORD, Server, open, quit, signIn, totp, until } from './support.js';

/** @type {Server} */
let server;
before(async () => {
  server = await Server.start({ auth: { requireTotp: ['user'] } });
  await server.signIn();
  await server.choosePassword();
});
after(async () => {
  await quit();
  await server.stop();
});

test('a second factor is set up, asked for, and turned off with a recovery code', async () => {
  const { page, goto, close } = await open(server);
  await goto('account');
  await signIn(page, 'admin', PASSWORD);
  await page.getByRole('button', { name: 'Set up second factor' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Current password').fill('wrong password');
  await dialog.getByRole('button', { name: 'Next' }).click();
  await dialog.getByText('The current password is wrong. Nothing was changed.').waitFor();
  await dialog.getByLabel('Current password').fill(PASSWORD);
  await dialog.getByRole('button', { name: 'Next' }).click();
  await dialog.getByRole('img', { name: 'QR code for your authenticator app' }).waitFor();
  const secret = await dialog.getByLabel('Secret of the second factor', { exact: true }).textContent();
  await dialog.getByLabel('Code of your app').fill(totp(secret));
  await dialog.getByRole('button', { name: 'Turn on' }).click();
  await dialog.getByText('Keep these recovery codes').waitFor();
  const codes = await dialog.locator('.codes code').allTextContents();
  assert.equal(codes.length, 10);
  await dialog.getByRole('button', { name: 'I have kept them' }).click();
  await page.getByText('Recovery codes left: 10').waitFor();

  await page.getByRole('button', { name: 'Menu of admin' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await signIn(page, 'admin', PASSWORD);
  await page.getByLabel('Code').fill('000000');
  assert.equal(await page.getByText('Your session has ended').count(), 0, 'it was ended on purpose');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('The code is wrong, or was used already').waitFor();
  await page.getByLabel('Code').fill(totp(secret, 1));
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('link', { name: 'Devices' }).first().waitFor();

  await goto('account');
  await page.getByRole('button', { name: 'Turn off' }).click();
  await dialog.getByLabel('Current password').fill(PASSWORD);
  await dialog.getByLabel('Code').fill(codes[0]);
  await dialog.getByRole('button', { name: 'Turn off' }).click();
  await page.getByText('Your second factor is off').waitFor();
  await close();
});

test('a user is made, resets the password, and sets up the second factor that is demanded', async () => {
  const admin = await open(server);
  await admin.goto('users');
  await signIn(admin.page, 'admin', PASSWORD);
  await admin.page.getByRole('button', { name: 'Add user' }).click();
  const dialog = admin.page.getByRole('dialog');
  await dialog.getByLabel('User name').fill('carla');
  await dialog.getByLabel('Password').fill('password1234');
  await dialog.getByRole('button', { name: 'Add user' }).click();
  await dialog.getByRole('alert').or(dialog.locator('.wrong')).first().waitFor();
  await dialog.getByLabel('Password').fill('a first password for carla');
  await dialog.getByRole('button', { name: 'Add user' }).click();
  await admin.page.getByText('User added').waitFor();
  await admin.page.getByRole('button', { name: 'More for carla' }).click();
  await admin.page.getByRole('button', { name: 'Make a reset link' }).click();
  const link = await dialog.getByLabel('Reset link', { exact: true }).textContent();
  await admin.close();

  const { page, close } = await open(server);
  await page.goto(link);
  await page.getByLabel('New password').fill('what carla chose herself');
  await page.getByRole('button', { name: 'Set password' }).click();
  await page.getByText('Sign in with it').waitFor();
  await signIn(page, 'carla', 'what carla chose herself');
  await page.getByRole('heading', { name: 'Set up your second factor' }).waitFor();
  await page.getByLabel('Current password').fill('what carla chose herself');
  await page.getByRole('button', { name: 'Next' }).click();
  const secret = await page.getByLabel('Secret of the second factor', { exact: true }).textContent();
  await page.getByLabel('Code of your app').fill(totp(secret));
  await page.getByRole('button', { name: 'Turn on' }).click();
  await page.getByRole('button', { name: 'I have kept them' }).click();
  await page.getByRole('heading', { name: 'Three steps to the first wake' }).waitFor();
  await close();
});

test('a token is made with the permissions that were picked, used, and revoked', async () => {
  const { page, goto, close } = await open(server);
  await goto('account');
  await signIn(page, 'admin', PASSWORD);
  await page.getByRole('button', { name: 'New token' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('a program');
  await dialog.getByLabel(/users:read/).check();
  await dialog.getByLabel(/devices:wake/).uncheck();
  await dialog.getByRole('button', { name: 'New token' }).click();
  const token = await dialog.getByLabel('API token', { exact: true }).textContent();
  const ask = (path) => fetch(`${server.url}api/${path}`, { headers: { authorization: `Bearer ${token}` } }).then(({ status }) => status);
  assert.deepEqual([await ask('admin/users'), await ask('admin/audit')], [200, 403]);
  await dialog.getByRole('button', { name: 'I have copied it' }).click();
  await page.getByText('users:read').waitFor();
  await page.getByRole('button', { name: 'Revoke a program' }).click();
  await dialog.getByRole('button', { name: 'Revoke a program' }).click();
  await page.getByText('a program was revoked').waitFor();
  assert.equal(await ask('admin/users'), 401);

  await goto('audit?action=token.');
  await page.getByText('Revoked API token').waitFor();
  assert.equal(await page.locator('.rows').getByText('Signed in').count(), 0);
  await page.getByLabel('Outcome').selectOption('refused');
  await until('no entry fits', async () => (await page.locator('.rows').getByText('Revoked API token').count()) === 0);
  assert.match(page.url(), /outcome=refused/);
  await close();
});

test('a session that was ended elsewhere asks to sign in, and goes on where one was', async () => {
  const { page, goto, close } = await open(server);
  await goto('server');
  await signIn(page, 'admin', PASSWORD);
  await page.getByRole('heading', { name: 'Server' }).waitFor();
  await server.signIn('admin', PASSWORD);
  await server.api('DELETE', 'account/sessions');
  await page.getByLabel('How much is logged').selectOption('warn');
  await page.getByText('Your session has ended').waitFor();
  await signIn(page, 'admin', PASSWORD);
  await page.getByRole('heading', { name: 'Server' }).waitFor();
  await close();
});

test('two tabs know of each other', async () => {
  const { context, page, goto, close } = await open(server);
  await goto();
  await signIn(page, 'admin', PASSWORD);
  await page.getByRole('heading', { name: 'Three steps' }).waitFor();
  const other = await context.newPage();
  await other.goto(`${server.url}agents`);
  await other.getByRole('button', { name: 'Add agent' }).first().click();
  const dialog = other.getByRole('dialog');
  await dialog.getByText('Microcontroller').click();
  await dialog.getByLabel('Name').fill('Garage');
  await dialog.getByRole('button', { name: 'Add agent' }).click();
  await dialog.getByText('Type these into the firmware’s settings').waitFor();
  assert.match(await dialog.getByLabel('Secret', { exact: true }).textContent(), /^[a-z2-9]{32}$/);
  // The list of the first tab now leads on to the second step.
  await page.getByRole('link', { name: 'See your agents' }).waitFor();
  await other.keyboard.press('Escape');
  await other.getByRole('button', { name: 'Menu of admin' }).click();
  await other.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('User name').waitFor();
  await signIn(page, 'admin', PASSWORD);
  await other.getByRole('heading', { name: /Three steps|Agents/ }).first().waitFor();
  await close();
});

test('a server that goes away and comes back', async () => {
  const { context, page, goto, close } = await open(server);
  await goto('agents');
  await signIn(page, 'admin', PASSWORD);
  await page.getByText('Garage').waitFor();
  await page.getByText('Connected', { exact: true }).waitFor();
  await context.setOffline(true);
  await page.getByText('No connection').waitFor();
  assert.ok(await page.getByText('Garage').isVisible(), 'what is known stays in sight');
  await context.setOffline(false);
  await page.getByText('Connected', { exact: true }).waitFor();
  await close();
});
