// What is shown is what the server has: changes by others appear by themselves, a stream that is cut goes on where it was,
// and while it does not, the page says so.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PASSWORD, Server, open, quit, signIn, until } from './support.js';

/** @type {Server} */
let server;
let attic;
before(async () => {
  server = await Server.start();
  await server.signIn();
  attic = await server.agent('Attic Pi');
  await server.api('POST', 'devices', { name: 'Workstation', type: 'desktop', macAddress: 'AA:BB:CC:00:11:22', agentID: attic.id, address: '127.0.0.1', watchInterval: 10 });
  await server.choosePassword();
});
after(async () => {
  await quit();
  await server.stop();
});

const device = (name, macAddress = 'AA:BB:CC:00:11:33') => ({ name, type: 'server', macAddress, agentID: attic.id });
const lists = (requests) => requests.filter((request) => /\/api\/(agents|devices)$/.test(new URL(request.url()).pathname) && request.method() === 'GET').length;
const streams = (requests) => requests.filter((request) => request.url().includes('/api/events'));
const connected = (page) => page.getByText('Connected', { exact: true }).waitFor();
/** How long it takes until something is seen, in milliseconds. */
async function took(change, seen) {
  await change();
  const begun = performance.now();
  await seen();
  return performance.now() - begun;
}

test('what others change is seen at once, and no list is read for it', async () => {
  const { page, goto, close, requests } = await open(server);
  await goto();
  await signIn(page, 'admin', PASSWORD);
  await page.locator('.rows li .state.online').waitFor();
  await connected(page);
  await until('the stream has begun', () => streams(requests).length === 1);
  const before_ = lists(requests);
  let id;
  const row = (name) => page.locator('.rows li', { hasText: name });
  const times = [
    await took(async () => (id = await server.api('POST', 'devices', device('Made elsewhere'))), () => row('Made elsewhere').waitFor()),
    await took(() => server.api('PUT', `devices/${id}`, device('Named anew')), () => row('Named anew').waitFor()),
    await took(() => server.api('DELETE', `devices/${id}`), () => row('Named anew').waitFor({ state: 'detached' })),
  ];
  await page.getByRole('link', { name: 'Agents' }).click();
  // Rows of devices stay in sight until the page of agents is there.
  await page.getByRole('heading', { level: 1, name: 'Agents' }).waitFor();
  await page.locator('.rows li .state.online').waitFor();
  const afterwards = lists(requests);
  times.push(await took(() => attic.process.kill('SIGKILL'), () => page.locator('.rows li .state.offline').waitFor()));
  await server.api('POST', 'agents', { name: 'Garage', type: 'microcontroller', description: '', secret: 'long enough secret' });
  await page.getByText('Garage').waitFor();
  console.log(`seen after ${times.map((time) => time.toFixed(0)).join(', ')} ms`);
  assert.ok(Math.max(...times) < 5000, String(times));
  assert.equal(lists(requests), afterwards, 'nothing was read again');
  assert.ok(afterwards - before_ <= 1, 'the page of agents reads its list once');
  assert.equal(streams(requests).length, 1);
  attic = await server.agent('Attic Pi 2');
  await close();
});

test('a cut stream goes on where it was; until then the page says so', async () => {
  const { context, page, goto, close, requests } = await open(server);
  await goto();
  await signIn(page, 'admin', PASSWORD);
  await page.getByText('Workstation').waitFor();
  await until('the stream has begun', () => streams(requests).length === 1);
  await context.setOffline(true);
  await page.getByText('No connection').waitFor();
  const id = await server.api('POST', 'devices', device('Made meanwhile'));
  assert.ok(await page.getByText('Workstation').isVisible(), 'what is known stays in sight');
  assert.equal(await page.getByText('Made meanwhile').count(), 0);
  const before_ = lists(requests);
  await context.setOffline(false);
  await page.getByText('Made meanwhile').waitFor();
  await connected(page);
  assert.equal(lists(requests), before_, 'what was missed came with the stream');
  assert.ok(streams(requests).at(-1).headers()['last-event-id'], 'it goes on where it was');
  await server.api('DELETE', `devices/${id}`);
  await close();
});

test('a server that was started again has its lists read again', async () => {
  const { page, goto, close } = await open(server);
  await goto();
  await signIn(page, 'admin', PASSWORD);
  await page.getByText('Workstation').waitFor();
  server.process.kill('SIGKILL');
  await page.getByText(/No connection|Not live/).waitFor();
  await server.restart();
  const id = await server.api('POST', 'devices', device('After the start'));
  await page.getByText('After the start').waitFor();
  await connected(page);
  await server.api('DELETE', `devices/${id}`);
  await page.getByText('After the start').waitFor({ state: 'detached' });
  await close();
});

test('with too many streams the page is not live, says so, and still follows', async () => {
  const all = [];
  // Those of earlier pages may take a moment to be given back.
  await until('20 streams are open', async () => {
    const stop = new AbortController();
    const answer = await fetch(`${server.url}api/events`, { headers: { cookie: server.cookie }, signal: stop.signal });
    if (answer.status === 200) all.push(stop);
    return all.length === 20;
  });
  const { page, goto, close } = await open(server);
  await goto();
  await signIn(page, 'admin', PASSWORD);
  await page.getByText('Workstation').waitFor();
  await page.getByText('Not live', { exact: true }).waitFor();
  const id = await server.api('POST', 'devices', device('Seen all the same'));
  await page.getByText('Seen all the same').waitFor();
  for (const stop of all) stop.abort();
  await page.getByText('Connected', { exact: true }).waitFor({ timeout: 60_000 });
  await server.api('DELETE', `devices/${id}`);
  await page.getByText('Seen all the same').waitFor({ state: 'detached' });
  await close();
});

test('a tab that nobody looks at gives its stream back, and is up to date when it is looked at again', async () => {
  const { page, goto, close, requests } = await open(server);
  await page.clock.install();
  await page.addInitScript(() => {
    window.unseen = false;
    Object.defineProperty(document, 'hidden', { get: () => window.unseen });
  });
  await goto();
  await signIn(page, 'admin', PASSWORD);
  await page.getByText('Workstation').waitFor();
  await page.clock.runFor(2000);
  await until('the stream has begun', () => streams(requests).length === 1);
  const look = (unseen) =>
    page.evaluate((hidden) => {
      window.unseen = hidden;
      document.dispatchEvent(new Event('visibilitychange'));
    }, unseen);
  await look(true);
  await page.clock.runFor(25_000);
  await until('the stream is given back', () => streams(requests)[0].failure() !== null);
  const id = await server.api('POST', 'devices', device('While nobody looked'));
  await look(false);
  await until('the stream goes on', () => streams(requests).length === 2);
  await page.clock.runFor(2000);
  await page.getByText('While nobody looked').waitFor();
  await server.api('DELETE', `devices/${id}`);
  await close();
});

test('a session that ends elsewhere is noticed without a click', async () => {
  const { page, goto, close } = await open(server);
  await goto();
  await signIn(page, 'admin', PASSWORD);
  await page.getByText('Workstation').waitFor();
  await server.signIn('admin', PASSWORD);
  await server.api('DELETE', 'account/sessions');
  await page.getByText('Your session has ended').waitFor({ timeout: 10_000 });
  await signIn(page, 'admin', PASSWORD);
  await page.getByText('Workstation').waitFor();
  const id = await server.api('POST', 'devices', device('After signing in again'));
  await page.getByText('After signing in again').waitFor();
  await server.api('DELETE', `devices/${id}`);
  await close();
});
