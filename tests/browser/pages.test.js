// Every page, on a desk and on a phone, light and dark, in both languages: nothing violates the policy or reaches
// another host, nothing is wider than the screen, axe finds nothing serious, no word is missing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DESKTOP, PHONE, Server, TABLET, accessible, open, picture, quit, touchable, until } from './support.js';

const NAMES = ['Workstation', 'Media NAS', 'Backup server', 'Anna’s laptop', 'Label printer', 'Build box', 'Render node 1', 'Render node 2', 'Piano room PC', 'Cellar server'];
const TYPES = ['desktop', 'nas', 'server', 'laptop', 'printer'];

/** @type {Server} */
let server;
let state;

before(async () => {
  server = await Server.start();
  await server.signIn();
  const attic = await server.agent('Attic Pi');
  const office = await server.agent('Office NAS');
  const garage = await server.api('POST', 'agents', { name: 'Garage ESP32', type: 'microcontroller', description: 'Behind the shelf', secret: 'long enough secret' });
  for (const [i, name] of NAMES.entries()) {
    const body = { name, type: TYPES[i % 5], description: i % 3 ? null : 'Under the desk', macAddress: `AA:BB:CC:00:11:${16 + i}`, port: 9 };
    await server.api('POST', 'devices', { ...body, agentID: i === 9 ? garage : i % 2 ? attic.id : office.id, address: i % 4 === 3 ? null : `127.0.0.${i + 1}` });
  }
  await server.api('POST', 'admin/users', { username: 'anna', password: 'a password of anna', role: 'user' });
  await server.api('POST', 'admin/users', { username: 'bert', password: 'a password of bert', role: 'admin' });
  await server.api('POST', 'devices/1/shares', { username: 'anna', permissions: ['view', 'wake'] });
  await server.api('POST', 'account/tokens', { name: 'home automation', permissions: ['devices:read', 'devices:wake'], deviceIDs: [1] });
  await server.choosePassword([1, 5]);
  state = server.state;
});
after(async () => {
  await quit();
  await server.stop();
});

/** What is seen of each page once it is there, and what is done on it first. */
const pages = {
  devices: {
    there: '.rows li .state.online',
    prepare: async (page) => {
      await page.getByRole('button', { name: 'Wake Media NAS' }).click();
      await page.getByRole('button', { name: 'Wake Cellar server' }).click();
      await page.getByText(/Was online already|War schon online/).first().waitFor();
      await page.mouse.move(0, 0);
    },
  },
  'devices/1': { there: '.state.online' },
  agents: { there: '.rows li .state.online' },
  'agents/1': {
    there: 'dl dd',
    prepare: async (page) => {
      await page.getByText('GET_STATUS', { exact: true }).click();
      const form = page.locator('details[open] form');
      await form.locator('[name=address]').fill('127.0.0.1');
      await form.locator('button').click();
      await page.locator('.reply').waitFor();
    },
  },
  operations: { there: '.rows li' },
  users: { there: '.rows li' },
  audit: { there: '.rows li' },
  account: { there: '.plain-list li' },
  server: { there: '.figure .state.online' },
  'no/such/page': { there: 'h1' },
};

/** What holds of every page at any time. */
async function check(page, name, size = DESKTOP) {
  await accessible(page, name);
  if (size !== DESKTOP) await touchable(page, name);
  const text = await page.evaluate(() => document.body.innerText);
  assert.doesNotMatch(text, /\b(?:[a-z]+\.)+[a-z_]+\b(?<!\.(?:local|txt|x))(?=\s|$)|undefined|\[object|NaN|\{\w+\}/, `${name}: a word is missing`);
}

for (const [size, of] of [['desktop', DESKTOP], ['phone', PHONE]]) {
  for (const scheme of ['light', 'dark']) {
    // Each language is seen at both sizes and in both colours.
    const locale = (size === 'desktop') === (scheme === 'light') ? 'en-GB' : 'de-DE';
    test(`every page: ${size}, ${scheme}, ${locale}`, async () => {
      const { page, goto, close } = await open(server, { size: of, scheme, locale, state });
      for (const [path, { there, prepare }] of Object.entries(pages)) {
        await goto(path);
        await page.locator(there).first().waitFor();
        assert.equal(await page.locator('html').getAttribute('lang'), locale.slice(0, 2));
        if (locale === 'en-GB') await prepare?.(page);
        const name = path.replace(/\/(\d)$/, '-$1').replaceAll('/', '-').replace(/-1$/, '-page');
        if (path !== 'no/such/page') await picture(page, `${name}-${size}-${scheme}`);
        await check(page, `${path} ${size} ${scheme}`, of);
      }
      await close();
    });
  }
}

for (const [name, size] of [['desktop', DESKTOP], ['phone', PHONE]]) test(`dialogs are as good as pages: ${name}`, async () => {
  const { page, goto, close } = await open(server, { state, size });
  await goto();
  const opened = [
    ['devices', 'Add device', 'MAC address'],
    ['agents', 'Add agent', 'Microcontroller'],
    ['users', 'Add user', 'Role'],
    ['account', 'New token', 'Only with certain devices'],
    ['account', 'Change password', 'New password'],
    ['devices/1', 'Share', 'Ends after'],
    ['devices/1', 'Delete Workstation', 'Cancel'],
  ];
  for (const [path, button, inside] of opened) {
    await goto(path);
    await page.getByRole('button', { name: button }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(inside).first().waitFor();
    await until('the focus is inside', () => page.evaluate(() => document.querySelector('dialog')?.contains(document.activeElement)));
    await check(page, `${path}: ${button}`, size);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'BUTTON', 'the focus is where it was');
  }
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox').fill('nas');
  await page.getByRole('option', { name: /Media NAS/ }).first().waitFor();
  await check(page, 'search', size);
  await close();
});

test('a tablet takes a finger everywhere', async () => {
  const { page, goto, close } = await open(server, { size: TABLET, touch: true, state });
  for (const [path, { there }] of Object.entries(pages)) {
    await goto(path);
    await page.locator(there).first().waitFor();
    await picture(page, `${path.replace('/', '-')}-tablet`);
    await check(page, `${path} tablet`, TABLET);
  }
  await page.getByRole('button', { name: 'Menu of admin' }).click();
  await check(page, 'menu', TABLET);
  await close();
});

test('a user sees what users may, and a shared device without its agent', async () => {
  const { page, goto, close } = await open(server);
  await goto('users');
  await page.getByLabel('User name').fill('anna');
  await page.getByLabel('Password').fill('a password of anna');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'There is no such page' }).waitFor();
  assert.deepEqual(await page.locator('nav a:not(.further)').allTextContents(), ['Devices', 'Agents', 'Operations']);
  await page.getByRole('link', { name: 'Devices' }).first().click();
  await page.getByText('Shared by admin').waitFor();
  await page.getByRole('link', { name: 'Workstation' }).click();
  await page.getByText('admin', { exact: true }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Edit' }).count(), 0);
  await page.getByText('This device').waitFor();
  await page.getByRole('button', { name: 'Remove from my list' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove from my list' }).click();
  await page.getByText('Removed from your list').waitFor();
  await page.getByRole('heading', { name: 'Three steps to the first wake' }).waitFor();
  await close();
});

test('the first screen is small: at most 12 requests, files and API alike, and 60 KB', async () => {
  // Somebody has looked at the devices before, as whoever opens the page again has; of one nobody can tell.
  await server.api('GET', 'devices/status');
  await until('each device was looked at', async () => (await server.api('GET', 'devices?presence=true')).every(({ presence, name }) => presence.checkedAt || name === 'Cellar server'));
  for (const [who, kept, there] of [['a visitor', undefined, 'input'], ['a user', state, '.rows li']]) {
    const { context, page, goto, close, requests } = await open(server, { state: kept });
    // As on a machine a quarter as fast; how fast this one is depends on what else it does, so that it is only printed.
    const devtools = await context.newCDPSession(page);
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: 4 });
    await context.addInitScript((selector) => {
      new MutationObserver((_, observer) => {
        if (!document.querySelector(selector)) return;
        observer.disconnect();
        window.there = performance.now();
        window.words = [...document.querySelectorAll('.rows .state')].map(({ textContent }) => textContent);
      }).observe(document, { childList: true, subtree: true });
    }, there);
    await goto();
    await page.waitForFunction(() => performance.now() > window.there + 1500);
    // By the browser's own clock, whatever this machine does meanwhile. A stream is in its list once it has ended.
    const [after_, words, begun] = await page.evaluate(() => {
      const entries = performance.getEntriesByType('resource').filter(({ startTime }) => startTime < window.there + 1000);
      return [window.there, window.words, [location.href, ...entries.map(({ name }) => name)]];
    });
    let bytes = 0;
    for (const request of requests) {
      if (!begun.includes(request.url())) continue;
      const answer = await request.response();
      const { responseBodySize, responseHeadersSize } = await request.sizes();
      bytes += responseBodySize + responseHeadersSize;
      if (!request.url().includes('/api/') && !request.url().endsWith('/')) assert.ok(/br|gzip/.test((await answer.allHeaders())['content-encoding'] ?? '') || responseBodySize < 500, request.url());
    }
    begun.push(...requests.map((request) => request.url()).filter((url) => url.endsWith('/api/events')));
    console.log(`first screen of ${who}: ${begun.length} requests, ${bytes} bytes, there after ${after_.toFixed(0)} ms`);
    assert.ok(begun.length <= 12, begun.join('\n'));
    assert.ok(bytes <= 60 * 1024, `${bytes} bytes`);
    if (kept) {
      assert.equal(begun.filter((url) => url.endsWith('/api/events')).length, 1, 'it is live');
      assert.equal(words.length, NAMES.length);
      assert.ok(words.every((word) => word && !/Looking/.test(word)), `what is known of devices is there with them: ${words}`);
    }
    await close();
  }
});
