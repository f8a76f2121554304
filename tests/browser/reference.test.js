// The API's reference at /api/docs: everything is found, each route has its link, and calls are made from it, as who is
// signed in and with a token that nothing keeps.
import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { after, before, test } from 'node:test';
import { DESKTOP, PASSWORD, PHONE, Server, accessible, open, picture, quit, signIn, until } from './support.js';

/** @type {Server} */
let server;
let state;
before(async () => {
  server = await Server.start();
  await server.signIn();
  await server.choosePassword();
  state = server.state;
});
after(async () => {
  await quit();
  await server.stop();
});

const routes = (page) => page.locator('ni-route:visible');
const one = (page, id) => page.locator(`ni-route:has(#${id})`);

/** Opens a route and its form. */
async function form(page, id) {
  await page.goto(`${server.url}api/docs#${id}`);
  const route = one(page, id);
  await route.locator('.about').waitFor();
  await route.getByText('Try it').click();
  await route.locator('ni-try form').waitFor();
  return route;
}

test('everybody reads it, finds what is typed, and comes back by a link', async () => {
  const { page, goto, close } = await open(server);
  await goto('api/docs');
  await page.getByRole('heading', { level: 1, name: 'API reference' }).waitFor();
  const document = await (await fetch(`${server.url}api/openapi.json`)).json();
  const all = Object.values(document.paths).reduce((sum, item) => sum + Object.keys(item).length, 0);
  assert.equal(await routes(page).count(), all);
  assert.equal(await page.locator('.about').count(), 0, 'nothing is made before it is opened');
  await accessible(page);
  await picture(page, 'reference-desktop-light');

  // With the keyboard alone: search, go to the first find, open it.
  await page.keyboard.press('/');
  await page.keyboard.type('no_secure_on');
  await page.getByText('1 route', { exact: true }).first().waitFor();
  assert.equal(await routes(page).count(), 1);
  await until('a route has the focus', async () => {
    await page.keyboard.press('Tab');
    return page.evaluate(() => document.activeElement?.matches('.route > summary'));
  });
  await page.keyboard.press('Enter');
  const wake = one(page, 'post_devices_id_wakeup');
  await wake.locator('.about').waitFor();
  assert.match(page.url(), /api\/docs#post_devices_id_wakeup$/);
  const text = await wake.innerText();
  for (const part of ['devices:wake', 'adminMode', 'n ≥ 1', 'deliverWithin', 'no_secure_on', 'The stored SecureOn password cannot be sent', 'Retry-After', '504']) assert.ok(text.includes(part), part);
  assert.match(await wake.getByLabel('curl', { exact: true }).first().textContent(), /^curl -sS 'http.*\/api\/devices\/\{id\}\/wakeup' \\\n {2}-H "Authorization: Bearer \$NETIGNITE_TOKEN"/);
  await accessible(page);

  await page.reload();
  await wake.locator('.about').waitFor();
  await until('it is in sight', () => wake.evaluate((one) => one.getBoundingClientRect().top < innerHeight && one.getBoundingClientRect().top >= 0));
  await page.getByText('All codes').click();
  assert.ok((await page.locator('.codes-list li:visible').count()) > 40);
  await close();
});

test('a call as who is signed in: a form, the answer, and the same as a line for a shell', async () => {
  const { page, close } = await open(server, { state });
  const create = await form(page, 'post_agents');
  await create.getByText('Called as admin').waitFor();
  await create.getByRole('button', { name: 'Send POST' }).click();
  assert.equal(await create.locator('.result').count(), 0, 'what is required is asked for before anything is sent');
  await create.getByLabel('name', { exact: true }).fill('Attic');
  await create.getByLabel('type', { exact: true }).selectOption('server');
  await create.getByLabel(/^secret/).fill('short');
  await create.getByRole('button', { name: 'Send POST' }).click();
  assert.equal(await create.locator('.result').count(), 0, 'what is out of bounds is not sent either');
  // A character that does not show, which no schema can say.
  await create.getByLabel(/^secret/).fill('a long enough\u200bsecret');
  await create.getByRole('button', { name: 'Send POST' }).click();
  await create.getByText('400 Bad Request').waitFor();
  assert.match(await create.locator('pre').textContent(), /"field": "secret"/);
  await create.getByLabel(/^secret/).fill('a long enough secret');
  await create.getByRole('button', { name: 'Send POST' }).click();
  await create.locator('.result').getByText('201 Created').waitFor();
  await create.locator('.result').getByText('Headers').click();
  await create.locator('.result').getByText('x-request-id').waitFor();
  assert.match(await create.locator('.result').getByLabel('curl', { exact: true }).textContent(), /-d '\{"name":"Attic","type":"server","secret":"a long enough secret"\}'$|-d /);
  await accessible(page);
  await picture(page, 'reference-try-desktop-light', { fullPage: false });

  const device = await form(page, 'post_devices');
  await device.getByRole('button', { name: 'Fill in the example' }).click();
  await device.getByRole('button', { name: 'Write as JSON' }).click();
  assert.equal(JSON.parse(await device.getByLabel('JSON').inputValue()).name, 'Tower');
  await device.getByRole('button', { name: 'Back to the fields' }).click();
  await device.getByLabel('name', { exact: true }).waitFor();
  assert.equal(await device.getByLabel('macAddress').inputValue(), 'AA:BB:CC:DD:EE:0F');
  await device.getByRole('button', { name: 'Send POST' }).click();
  await device.locator('.result').getByText('201 Created').waitFor();

  const remove = await form(page, 'delete_devices_id');
  await remove.getByLabel('id', { exact: true }).fill('1');
  await remove.getByRole('button', { name: 'Send DELETE' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Send DELETE' }).click();
  await remove.locator('.result').getByText('200 OK').waitFor();
  assert.deepEqual(await server.api('GET', 'devices'), []);

  // What never ends is shown as far as it came.
  const stream = await form(page, 'get_events');
  await stream.getByRole('button', { name: 'Send GET' }).click();
  await stream.getByText('Only the beginning is shown').waitFor();
  await close();
});

test('a token is used in place of the session, and kept nowhere', async () => {
  const { token } = await server.api('POST', 'account/tokens', { name: 'docs', permissions: ['devices:read'] });
  const { page, close, requests, context } = await open(server, { state });
  const list = await form(page, 'get_devices');
  await list.getByLabel('API token').fill(token);
  await list.getByText('Called with the token below').waitFor();
  await list.getByRole('button', { name: 'Send GET' }).click();
  await list.locator('.result').getByText('200 OK').waitFor();
  const sent = requests.filter((request) => new URL(request.url()).pathname === '/api/devices').at(-1);
  const headers = await sent.allHeaders();
  assert.deepEqual([headers.authorization, headers.cookie], [`Bearer ${token}`, undefined]);
  const line = await list.locator('.result').getByLabel('curl', { exact: true }).textContent();
  assert.ok(line.includes('$NETIGNITE_TOKEN') && !line.includes(token));
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
  assert.ok(!kept.includes(token));
  assert.ok(!JSON.stringify(await context.storageState()).includes(token));
  // It is not allowed what the session is.
  const agents = await form(page, 'get_agents');
  assert.equal(await agents.getByLabel('API token').inputValue(), token, 'within the page it stays');
  await agents.getByRole('button', { name: 'Send GET' }).click();
  await agents.getByText('403 Forbidden').waitFor();
  await page.reload();
  await agents.locator('.about').waitFor();
  await agents.getByText('Try it').click();
  assert.equal(await agents.getByLabel('API token').inputValue(), '');
  await close();
});

test('whoever is not signed in is led to the sign-in and back', async () => {
  const { page, close } = await open(server);
  const list = await form(page, 'get_devices');
  await list.getByRole('button', { name: 'Send GET' }).click();
  await list.getByText('401 Unauthorized').waitFor();
  await list.getByRole('link', { name: 'Sign in' }).click();
  await signIn(page, 'admin', PASSWORD);
  await page.waitForURL(/api\/docs#get_devices$/);
  await list.locator('.about').waitFor();
  await close();
});

test('the navigation leads there, and so do the menu and the search', async () => {
  const { page, goto, close } = await open(server, { state });
  await goto();
  await page.getByRole('navigation').getByRole('link', { name: 'API reference' }).click();
  await page.getByRole('heading', { level: 1, name: 'API reference' }).waitFor();
  await page.getByRole('link', { name: 'NetIgnite' }).click();
  await page.getByRole('button', { name: 'Menu of admin' }).click();
  await page.locator('#account-menu').getByRole('link', { name: 'API reference' }).click();
  await page.getByRole('heading', { level: 1, name: 'API reference' }).waitFor();
  await page.goBack();
  await page.getByRole('heading', { level: 1, name: 'Devices' }).waitFor();
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox').fill('api ref');
  await page.getByRole('option', { name: /API reference/ }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'API reference' }).waitFor();
  await close();
});

for (const [size, scheme, locale] of [
  [PHONE, 'dark', 'de-DE'],
  [DESKTOP, 'dark', 'en-GB'],
  [PHONE, 'light', 'en-GB'],
]) {
  test(`with everything open: ${size.width}, ${scheme}, ${locale}`, async () => {
    const { page, goto, close } = await open(server, { size, scheme, locale, state });
    await goto('api/docs');
    await page.locator('ni-route').first().waitFor();
    const name = `reference-${size === PHONE ? 'phone' : 'desktop'}-${scheme}`;
    await picture(page, name);
    await page.evaluate(() => document.querySelectorAll('details.route').forEach((one) => (one.open = true)));
    await until('all are made', () => page.evaluate(() => [...document.querySelectorAll('ni-route')].every((one) => one.querySelector('.about'))));
    await page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
    await until('all forms are made', () => page.evaluate(() => [...document.querySelectorAll('.try')].every((one) => one.querySelector('form'))));
    assert.match(await page.locator('html').getAttribute('lang'), locale === 'de-DE' ? /^de$/ : /^en$/);
    await accessible(page, name);
    const text = await page.evaluate(() => document.body.innerText);
    assert.doesNotMatch(text, /\bdocs\.\w+|undefined|\[object|NaN/);
    await page.evaluate(() => document.getElementById('post_devices_id_wakeup')?.scrollIntoView());
    await picture(page, `${name}-open`);
    await close();
  });
}

test('words that did not come are asked for again', async () => {
  const { page, goto, close } = await open(server);
  await page.route('**/i18n/*.json', (route) => route.fulfill({ status: 503, body: 'busy' }));
  await goto('api/docs');
  const again = page.locator('main button');
  await again.waitFor();
  await page.unroute('**/i18n/*.json');
  await again.click();
  await page.getByRole('heading', { level: 1, name: 'API reference' }).waitFor();
  await close();
});

test('a document of many routes is there at once', async () => {
  const { page, goto, close } = await open(server);
  const document = await (await fetch(`${server.url}api/openapi.json`)).json();
  for (const [path, item] of Object.entries(document.paths)) {
    for (let i = 0; i < 5; i += 1) {
      document.paths[`${path}/copy${i}`] = Object.fromEntries(Object.entries(item).map(([method, one]) => [method, { ...one, operationId: `${one.operationId}_${i}` }]));
    }
  }
  await page.route('**/api/openapi.json', (route) => route.fulfill({ json: document }));
  await goto('api/docs');
  await page.locator('ni-route').first().waitFor();
  assert.ok((await page.locator('ni-route').count()) > 450);
  const took = await page.evaluate(async () => {
    const input = document.querySelector('input');
    const begun = performance.now();
    input.value = 'wake';
    input.dispatchEvent(new Event('input'));
    await document.querySelector('ni-reference').updateComplete;
    document.body.getBoundingClientRect();
    return performance.now() - begun;
  });
  console.log(`# ${await page.locator('ni-route').count()} routes, searched in ${Math.round(took)} ms`);
  assert.ok(took < 1000, `${took} ms`);
  await close();
});

test('it works under a path of a proxy', async () => {
  const proxy = createServer((incoming, outgoing) => {
    const path = incoming.url.replace(/^\/under/, '');
    if (path === incoming.url) {
      outgoing.writeHead(404).end();
      return;
    }
    const further = request(new URL(path, server.url), { method: incoming.method, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(further);
  });
  await new Promise((resolve) => {
    proxy.listen(0, '127.0.0.1', () => resolve());
  });
  const url = `http://127.0.0.1:${proxy.address().port}/under/`;
  const { page, close } = await open({ url }, { state });
  await page.goto(`${url}api/docs#get_devices`);
  const list = one(page, 'get_devices');
  await list.locator('.about').waitFor();
  assert.ok((await list.getByLabel('curl', { exact: true }).first().textContent()).includes(`${url}api/devices`));
  await list.getByText('Try it').click();
  await list.getByRole('button', { name: 'Send GET' }).click();
  await list.locator('.result').getByText('200 OK').waitFor();
  await close();
  proxy.closeAllConnections();
  proxy.close();
});

test('it goes with the document', async () => {
  const without = await Server.start({ plugins: { openapi: { enabled: false } } });
  for (const path of ['api/docs', 'api/openapi.json', 'api/docs/app.css']) assert.equal((await fetch(without.url + path)).status, 404, path);
  await without.stop();
  const alone = await Server.start({ plugins: { dashboard: { enabled: false } } });
  const { page, goto, close } = await open(alone);
  await goto('api/docs');
  await page.locator('ni-route').first().waitFor();
  await close();
  await alone.stop();
});
