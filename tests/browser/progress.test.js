// How far a command is, wherever the page waits for one: in the dialog that finds devices, the command's form, and operations.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Firmware } from './firmware.js';
import { Server, accessible, open, picture, quit, until } from './support.js';

const SECRET = 'long enough secret';
const FOUND = { status: 'OK', message: '1 host found', truncated: false, hosts: [{ address: '192.168.7.10', macAddress: 'AA:BB:CC:00:22:10', name: 'nas' }] };

/** @type {Server} */
let server;
let id;
let agent;
before(async () => {
  server = await Server.start();
  await server.signIn();
  id = await server.api('POST', 'agents', { name: 'Attic', type: 'server', description: '', secret: SECRET });
  await server.choosePassword();
  agent = await Firmware.connect(server, id, SECRET);
});
after(async () => {
  agent?.socket.destroy();
  await quit();
  await server.stop();
});

/** Has the agent say how far it is until the page shows it: it may not listen yet. */
function says(command, report, place) {
  return until('the page shows how far it is', () => {
    agent.progress(command, report);
    return place.waitFor({ timeout: 500 }).then(() => true, () => false);
  });
}

test('the dialog that finds devices says how far it is, and ends the look when it is closed', async () => {
  const { page, goto, close } = await open(server, { state: server.state });
  await goto(`agents/${id}`);
  await page.getByRole('button', { name: 'Find devices' }).click();
  const dialog = page.getByRole('dialog');
  let asked = await agent.command('DISCOVER');
  await says(asked, { message: '120 of 254 <b>addresses</b> asked for', done: 120, total: 254 }, dialog.getByText('addresses'));
  assert.equal(await dialog.locator('.progress b').count(), 0);
  const bar = dialog.getByRole('progressbar', { name: 'How far it is' });
  assert.deepEqual(await bar.evaluate(({ value, max }) => [value, max]), [120, 254]);
  assert.equal(await bar.evaluate((one) => one.closest('[role=status]') !== null), true, 'it is said politely');
  await accessible(page);
  await picture(page, 'progress-discover');
  // What says no number has no bar.
  await says(asked, { message: 'Reading the table' }, dialog.getByText('Reading the table'));
  assert.equal(await bar.count(), 0);
  agent.reply(asked, FOUND);
  await dialog.getByText('1 machine is on the agent’s network.').waitFor();
  await dialog.getByRole('button', { name: 'Look again' }).click();
  asked = await agent.command('DISCOVER');
  await dialog.getByRole('button', { name: 'Close' }).click();
  assert.equal((await agent.command('CANCEL')).id, asked.id);
  agent.reply(asked, { status: 'ERROR', message: 'ended', code: 'canceled' });
  await close();
});

test('a command’s form says how far it is, and the operation beside it and its own page', async () => {
  const { page, goto, close } = await open(server, { state: server.state });
  await goto(`agents/${id}`);
  await page.locator('summary', { hasText: 'DISCOVER' }).click();
  const command = page.locator('details', { hasText: 'DISCOVER' });
  await command.getByRole('button', { name: 'Send' }).click();
  const asked = await agent.command('DISCOVER');
  await command.getByText('The agent is at work…').waitFor();
  await says(asked, { done: 1000, total: 4000 }, command.getByText('1,000 of 4,000'));
  const list = page.getByRole('list', { name: 'Asked of it last' });
  await says(asked, { done: 2000, total: 4000 }, list.getByText('2,000 of 4,000'));
  await accessible(page);

  const [{ id: uuid }] = await server.api('GET', 'operations?state=live');
  const other = await open(server, { state: server.state, locale: 'de-DE' });
  await other.goto(`operations/${uuid}`);
  await says(asked, { done: 3000, total: 4000 }, other.page.getByText('3.000 von 4.000'));
  await other.page.getByRole('progressbar', { name: 'Fortschritt' }).waitFor();
  await accessible(other.page);
  await other.goto('operations');
  await says(asked, { message: 'nearly there', done: 3999, total: 4000 }, other.page.locator('.rows li').first().getByText('nearly there'));

  agent.reply(asked, FOUND);
  await command.locator('.reply').getByText('192.168.7.10').waitFor();
  assert.equal(await page.getByRole('progressbar').count(), 0);
  await other.page.getByText('nearly there').waitFor({ state: 'detached' });
  await other.close();

  // What the agent says where it does not do it.
  await command.getByRole('button', { name: 'Send' }).click();
  agent.reply(await agent.command('DISCOVER'), { status: 'ERROR', message: 'no such network here' });
  await command.getByText('no such network here').waitFor();
  await close();
});
