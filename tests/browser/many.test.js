// Ten thousand devices: the list is found in, scrolled and moved in as one of ten is.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PASSWORD, Server, open, quit, signIn, until } from './support.js';

const MANY = 10_000;
/** @type {Server} */
let server;
before(async () => {
  server = await Server.start();
  await server.signIn();
  const agentID = await server.api('POST', 'agents', { name: 'Rack', type: 'server', description: '', secret: 'long enough secret' });
  let next = 0;
  const some = async () => {
    while (next < MANY) {
      const n = next++;
      const macAddress = `AA:BB:CC:${[n >> 16, (n >> 8) & 255, n & 255].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;
      await server.api('POST', 'devices', { name: `node ${n}`, type: 'server', macAddress, agentID });
    }
  };
  await Promise.all(Array.from({ length: 32 }, some));
  await server.choosePassword();
});
after(async () => {
  await quit();
  await server.stop();
});

test('a list of ten thousand devices', async () => {
  const { page, goto, close } = await open(server);
  await goto();
  await signIn(page, 'admin', PASSWORD);
  await page.locator('.rows li').first().waitFor();
  assert.equal(await page.locator('.count').textContent(), '10,000');
  assert.ok((await page.locator('.rows li').count()) < 100, 'only rows in sight are in the document');

  // From a letter to the list that fits it.
  const finding = await page.evaluate(async () => {
    const input = document.querySelector('#find');
    const times = [];
    for (const text of ['9', '99', '999', '9999', 'aa:bb', '']) {
      const begun = performance.now();
      input.value = text;
      input.dispatchEvent(new Event('input', { bubbles: true }));
      await document.querySelector('ni-devices').updateComplete;
      document.body.getBoundingClientRect();
      times.push(performance.now() - begun);
    }
    return times;
  });
  console.log(`finding: ${finding.map((time) => time.toFixed(0)).join(', ')} ms`);
  assert.ok(finding.toSorted((a, b) => a - b)[3] < 100 && Math.max(...finding) < 400, String(finding));

  // What a frame of scrolling costs the page itself: a machine without a graphics card paints slowly, whatever is shown.
  const work = await page.evaluate(async () => {
    const times = [];
    for (let i = 0; i < 90; i += 1) {
      scrollBy(0, 400);
      const begun = performance.now();
      dispatchEvent(new Event('scroll'));
      await document.querySelector('ni-devices').updateComplete;
      document.body.getBoundingClientRect();
      times.push(performance.now() - begun);
      await new Promise((resolve) => {
        requestAnimationFrame(resolve);
      });
    }
    return times.sort((a, b) => a - b);
  });
  console.log(`work of a frame while scrolling: median ${work[45].toFixed(1)} ms, p95 ${work[85].toFixed(1)} ms`);
  assert.ok(work[45] < 33, String(work));
  const seen = await page.locator('.rows li .name a').first().textContent();
  assert.match(seen, /^node \d+$/);

  await page.getByRole('searchbox').fill('node 9999');
  await until('one is left', async () => (await page.locator('.rows li').count()) === 1);
  await page.getByRole('checkbox', { name: 'Select node 9999' }).check();
  await page.getByRole('region', { name: 'Selection' }).getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete 1 device' }).click();
  await page.getByText('1 device was deleted').waitFor();
  await page.getByRole('searchbox').fill('');
  await until('it is gone', async () => (await page.locator('.count').textContent()) === '9,999');

  // The last row is reached with one key, and the focus stays in sight.
  await page.evaluate(() => scrollTo(0, 0));
  await page.locator('.rows .name a').first().focus();
  await page.keyboard.press('End');
  await until('the last row has the focus', () => page.evaluate(() => document.activeElement?.textContent === 'node 9998'));
  await close();
});
