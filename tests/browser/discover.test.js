// Finding what is on an agent's network, and what an agent's page shows of it; users and the server.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PASSWORD, Server, accessible, open, picture, quit, signIn } from './support.js';

/** @type {Server} */
let server;
let attic;
before(async () => {
  server = await Server.start();
  await server.signIn();
  attic = await server.agent('Attic Pi');
  await server.choosePassword();
});
after(async () => {
  await quit();
  await server.stop();
});

test('machines are found on an agent’s network, picked, named and added', async () => {
  const { page, goto, close } = await open(server);
  // A real look first: on this network there may be nobody.
  await goto();
  await signIn(page, 'admin', PASSWORD);
  await page.getByRole('button', { name: 'Find devices on this network' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText(/machines? (is|are) on the agent’s network/).waitFor({ timeout: 30_000 });
  await accessible(page);
  // Then one with three machines, whatever stands beside this one.
  const hosts = [
    { address: '192.168.7.10', macAddress: 'AA:BB:CC:00:22:10', name: 'nas' },
    { address: '192.168.7.11', macAddress: 'AA:BB:CC:00:22:11' },
    { address: '192.168.7.12', macAddress: 'AA:BB:CC:00:22:12', name: 'printer' },
  ];
  const ended = { id: '01890000-0000-7000-8000-000000000000', state: 'succeeded', result: { status: 'OK', message: '', hosts, truncated: true } };
  await page.route('**/api/operations', (route) => route.fulfill({ status: 202, json: { status: 202, message: '', data: ended } }));
  await dialog.getByRole('button', { name: 'Look again' }).click();
  await dialog.getByText('3 machines are on the agent’s network.').waitFor();
  await dialog.getByLabel('All that are new').check();
  await dialog.getByLabel('Select printer').uncheck();
  await dialog.getByLabel('Name of 192.168.7.11').fill('Play room');
  await accessible(page);
  await picture(page, 'discover');
  await dialog.getByRole('button', { name: 'Add 2 devices' }).click();
  await page.getByText('2 devices were added').waitFor();
  await page.locator('.rows li', { hasText: 'Play room' }).waitFor();
  const devices = await server.api('GET', 'devices');
  assert.deepEqual(devices.map(({ name, macAddress, address, agentID }) => [name, macAddress, address, agentID]), [
    ['nas', 'AA:BB:CC:00:22:10', '192.168.7.10', attic.id],
    ['Play room', 'AA:BB:CC:00:22:11', '192.168.7.11', attic.id],
  ]);

  // From the agent's page, too, where what is there already is said to be.
  await goto(`agents/${attic.id}`);
  await page.getByRole('button', { name: 'Find devices' }).click();
  await dialog.getByText('Play room').waitFor();
  assert.equal(await dialog.getByText('added already').count(), 2);
  assert.ok(await dialog.getByLabel('Select nas').isDisabled());
  await close();
});

test('an agent’s page shows what was asked of it, as it comes', async () => {
  const { page, goto, close } = await open(server);
  await goto(`agents/${attic.id}`);
  await signIn(page, 'admin', PASSWORD);
  await page.getByRole('heading', { name: 'Asked of it last' }).waitFor();
  const list = page.getByRole('list', { name: 'Asked of it last' });
  const before_ = await list.getByText('Ask whether the agent still listens').count();
  await server.api('POST', 'operations', { kind: 'command', agentID: attic.id, command: 'HEARTBEAT' });
  await list.getByText('Ask whether the agent still listens').nth(before_).waitFor();
  await list.locator('li', { hasText: 'Ask whether' }).first().getByText('Done', { exact: true }).waitFor();
  await accessible(page);
  await close();
});

test('users say when they were here last, and the server how it is', async () => {
  const { page, goto, close } = await open(server);
  await server.api('POST', 'admin/users', { username: 'anna', password: 'a password of anna', role: 'user' });
  await goto('users');
  await signIn(page, 'admin', PASSWORD);
  await page.locator('.rows li', { hasText: 'anna' }).getByText('never signed in').waitFor();
  await page.locator('.rows li', { hasText: 'admin' }).getByText('signed in just now').waitFor();
  await page.getByRole('link', { name: 'Server' }).click();
  await page.getByText('1 of 1').waitFor();
  await page.getByText(/\d (kB|MB)$/).waitFor();
  await page.getByText('The key was made').waitFor();
  await accessible(page);
  await close();
});
