// What is done can be taken back where that is possible: by a button beside the notice that says it was done.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server, accessible, open, quit, until } from './support.js';

/** @type {Server} */
let server;
before(async () => {
  server = await Server.start();
  await server.signIn();
  const agent = await server.api('POST', 'agents', { name: 'Garage', type: 'microcontroller', description: 'Behind the shelf', secret: 'long enough secret' });
  await server.api('POST', 'devices', { name: 'Workstation', type: 'desktop', macAddress: 'AA:BB:CC:00:11:22', agentID: agent, address: '127.0.0.1', watchInterval: 300 });
  await server.api('POST', 'admin/users', { username: 'anna', password: 'a password of anna', role: 'user' });
  await server.api('POST', 'devices/1/shares', { username: 'anna', permissions: ['view'] });
  await server.choosePassword();
});
after(async () => {
  await quit();
  await server.stop();
});

test('what was saved, ended or set can be taken back', async () => {
  const { page, goto, close } = await open(server, { state: server.state });
  const dialog = page.getByRole('dialog');
  const device = () => server.api('GET', 'devices/1');
  /** Takes it back, and waits until that is said. */
  const undo = async () => {
    await page.getByRole('button', { name: 'Undo' }).last().click();
    await page.getByText('It is as it was').last().waitFor();
  };

  await goto('devices/1');
  await page.getByRole('button', { name: 'Edit' }).click();
  await dialog.getByLabel('Name').fill('Named wrongly');
  await dialog.getByLabel('Address', { exact: false }).last().fill('');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('heading', { level: 1, name: 'Named wrongly' }).waitFor();
  await page.locator('[aria-live=polite]').getByText('Saved').waitFor();
  await accessible(page, 'a notice with a button');
  await undo();
  await page.getByRole('heading', { level: 1, name: 'Workstation' }).waitFor();
  assert.equal((await device()).address, '127.0.0.1');

  await page.getByRole('button', { name: 'Change how it is woken and watched' }).click();
  await page.locator('ni-device-options [name=watchInterval]').selectOption('');
  await page.locator('ni-device-options').getByRole('button', { name: 'Save' }).click();
  await until('it is saved', async () => !(await device()).watchInterval);
  await page.getByRole('button', { name: 'Undo' }).last().waitFor();
  await undo();
  assert.equal((await device()).watchInterval, 300);

  await page.getByRole('button', { name: /^End the share with anna|anna/ }).first().click();
  await dialog.getByRole('button', { name: /anna/ }).click();
  await page.getByText('Workstation is no longer shared with anna').first().waitFor();
  assert.deepEqual(await server.api('GET', 'devices/1/shares'), []);
  await undo();
  const [share] = await server.api('GET', 'devices/1/shares');
  assert.deepEqual([share.username, share.permissions], ['anna', ['view']]);

  await goto('agents/1');
  await page.getByRole('button', { name: 'Edit' }).click();
  await dialog.getByLabel('Name').fill('Cellar');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('heading', { level: 1, name: 'Cellar' }).waitFor();
  await undo();
  await page.getByRole('heading', { level: 1, name: 'Garage' }).waitFor();

  await goto('server');
  const before_ = await page.getByLabel('How much is logged').inputValue();
  await page.getByLabel('How much is logged').selectOption('error');
  await page.getByText('The log level is error now').first().waitFor();
  await undo();
  assert.equal((await server.api('GET', 'admin/log-level')).level, before_);
  await until('it is shown', async () => (await page.getByLabel('How much is logged').inputValue()) === before_);

  await goto('account');
  await page.getByLabel('User name').fill('boss');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('button', { name: 'Menu of boss' }).waitFor();
  await undo();
  await page.getByRole('button', { name: 'Menu of admin' }).waitFor();
  await close();
});

test('pages fade from one to the other for whoever wants motion, and nothing waits for that', async () => {
  for (const motion of ['reduce', 'no-preference']) {
    const { page, goto, close } = await open(server, { state: server.state });
    await page.emulateMedia({ reducedMotion: motion });
    await page.addInitScript(() => {
      window.fades = 0;
      const begin = document.startViewTransition.bind(document);
      document.startViewTransition = (change) => {
        window.fades += 1;
        return begin(change);
      };
    });
    await goto();
    await page.getByRole('heading', { level: 1, name: 'Devices' }).waitFor();
    for (const name of ['Agents', 'Operations', 'Users', 'Audit log', 'Server', 'Devices']) await page.locator('nav').getByRole('link', { name }).click();
    await page.getByRole('heading', { level: 1, name: 'Devices' }).waitFor();
    await page.goBack();
    await page.getByRole('heading', { level: 1, name: 'Server' }).waitFor();
    await until('the heading has the focus', () => page.evaluate(() => document.activeElement?.tagName === 'H1'));
    const fades = await page.evaluate(() => window.fades);
    assert.ok(motion === 'reduce' ? fades === 0 : fades > 0, `${motion}: ${fades}`);
    await close();
  }
});
