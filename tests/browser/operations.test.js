// Operations: a wake goes through its life on the page, and what became of it can be read afterwards.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PASSWORD, Server, accessible, open, quit, signIn } from './support.js';

/** @type {Server} */
let server;
before(async () => {
  server = await Server.start();
  await server.signIn();
  const attic = await server.agent('Attic Pi');
  const garage = await server.api('POST', 'agents', { name: 'Garage', type: 'microcontroller', description: '', secret: 'long enough secret' });
  await server.api('POST', 'devices', { name: 'Workstation', type: 'desktop', macAddress: 'AA:BB:CC:00:11:22', agentID: attic.id, address: '127.0.0.1' });
  await server.api('POST', 'devices', { name: 'Car charger', type: 'server', macAddress: 'AA:BB:CC:00:11:44', agentID: garage });
  await server.choosePassword();
});
after(async () => {
  await quit();
  await server.stop();
});

test('a wake is withdrawn and another succeeds; both are in the list, each with its trail', async () => {
  const { page, goto, close } = await open(server);
  await goto('devices/1');
  await signIn(page, 'admin', PASSWORD);
  await page.getByRole('button', { name: 'Wake Workstation' }).click();
  await page.getByText('Was online already', { exact: true }).first().waitFor();
  await page.getByRole('link', { name: 'See the operation' }).click();
  await page.getByRole('heading', { name: 'What happened' }).waitFor();
  await page.getByText(/Magic packet 1 was sent/).first().waitFor();
  await page.getByText('Done', { exact: true }).waitFor();
  await accessible(page);
  const first = page.url();
  await page.getByRole('button', { name: 'Run again' }).click();
  await page.waitForURL((url) => url.href !== first);
  await page.getByText(/Magic packet 1 was sent/).first().waitFor();
  await page.getByText('Done', { exact: true }).waitFor();

  await goto('devices/2');
  await page.getByRole('button', { name: 'Wake Car charger' }).click();
  await page.getByText('Queued…').first().waitFor();
  await page.getByRole('link', { name: 'See the operation' }).click();
  await page.getByRole('button', { name: 'Withdraw' }).click();
  await page.getByText('The operation was withdrawn').waitFor();

  await page.getByRole('link', { name: 'Operations' }).first().click();
  await page.getByRole('heading', { level: 1, name: 'Operations' }).waitFor();
  await page.locator('.rows li', { hasText: 'Car charger' }).waitFor();
  await page.locator('.rows li', { hasText: 'Workstation' }).first().waitFor();
  await accessible(page);
  await page.getByLabel('State').selectOption({ label: 'Withdrawn' });
  await page.locator('.rows li', { hasText: 'Workstation' }).first().waitFor({ state: 'detached' });
  assert.equal(await page.locator('.rows li').count(), 1);
  await page.reload();
  await page.locator('.rows li', { hasText: 'Car charger' }).waitFor();
  assert.equal(await page.locator('.rows li').count(), 1);
  await close();
});

test('a command is run again, after a question where it may do harm', async () => {
  const once = await server.api('POST', 'operations', { kind: 'command', agentID: 1, command: 'HEARTBEAT', maxAttempts: 1 });
  const { page, goto, close } = await open(server);
  await goto(`operations/${once.id}`);
  await signIn(page, 'admin', PASSWORD);
  await page.getByRole('button', { name: 'Run again' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('What it did the first time is not undone').waitFor();
  await dialog.getByRole('button', { name: 'Run again' }).click();
  await page.waitForURL((url) => url.pathname.includes('operations/') && !url.href.includes(once.id));
  await page.getByText('Done', { exact: true }).waitFor();
  await accessible(page);
  await close();
});
