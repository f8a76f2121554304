// What the browser tests stand on: the built server on a free port with a data directory of its own, real agents, and
// Debian's Chromium, which is watched all the time: an error in the page's code, a violation of its policy or a request
// to another host fails the test that made it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'node:test';
import { chromium } from 'playwright-core';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const root = new URL('../../', import.meta.url).pathname;
/** The server's program. */
export const program = process.env.NETIGNITE ?? join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug/netignite');
/** Where screenshots are written, if they are wanted. */
const images = process.env.NETIGNITE_IMAGES;

export const DESKTOP = { width: 1440, height: 900 };
export const TABLET = { width: 1024, height: 768 };
export const PHONE = { width: 390, height: 844 };
export const PASSWORD = 'a long sentence of my own';

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });

/** Waits until `check` gives something. */
export async function until(what, check, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`gave up waiting: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}

/** A running server. */
export class Server {
  children = [];
  log = '';

  static async start(config = {}) {
    const server = new Server();
    server.directory = await mkdtemp(join(tmpdir(), 'netignite-page-'));
    server.port = await freePort();
    server.url = `http://127.0.0.1:${server.port}/`;
    const file = join(server.directory, 'config.json');
    await writeFile(file, JSON.stringify(config));
    server.environment = {
      PATH: process.env.PATH,
      CONFIG_FILE_PATH: file,
      NITRO_HOST: '127.0.0.1',
      NITRO_PORT: String(server.port),
      NETIGNITE_DATA_DIRECTORY: join(server.directory, 'data'),
    };
    await server.restart();
    const text = await readFile(join(server.directory, 'data/initial_admin_credentials'), 'utf8');
    server.firstPassword = /^password: (.*)$/m.exec(text)?.[1];
    return server;
  }

  /** Starts the server's process, also once more on the same data. */
  async restart() {
    this.process = this.run(['serve']);
    await until('the server listens', () => {
      assert.equal(this.process.exitCode, null, this.log);
      return fetch(`${this.url}readyz`).then(({ ok }) => ok, () => false);
    });
  }

  /** The link of the first start, by which its admin chooses a password, and the file that it lies in. */
  async firstLink() {
    const file = join(this.directory, 'data/initial_admin_link');
    await until('the link is written', () => existsSync(file));
    return { file, link: (await readFile(file, 'utf8')).trim() };
  }

  run(words, environment = {}) {
    const child = spawn(program, words, { cwd: this.directory, env: { ...this.environment, ...environment } });
    child.stdout.on('data', (data) => (child.output = (child.output ?? '') + data));
    child.stderr.on('data', (data) => (this.log += data));
    this.children.push(child);
    return child;
  }

  /** Calls the API as a program does. */
  async api(method, path, body, cookie = this.cookie) {
    const answer = await fetch(`${this.url}api/${path}`, {
      method,
      headers: { ...(body ? { 'content-type': 'application/json' } : {}), ...(cookie ? { cookie } : {}) },
      body: body && JSON.stringify(body),
    });
    const { data, message } = await answer.json();
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${message}`);
    const set = answer.headers.get('set-cookie');
    if (path === 'auth/login' && set) this.cookie = set.split(';')[0];
    return data;
  }

  /** Signs the first admin in for calls of the API. */
  signIn(username = 'admin', password = this.firstPassword) {
    return this.api('POST', 'auth/login', { username, password });
  }

  /** Has the first admin choose a password, and signs them in with it for calls of the API. */
  async choosePassword(favorites = []) {
    await this.api('PUT', 'account/1', { username: 'admin', favorites, currentPassword: this.firstPassword, password: PASSWORD });
    await this.signIn('admin', PASSWORD);
  }

  /** The session of the calls, as a browser keeps it. */
  get state() {
    const [name, value] = this.cookie.split('=');
    return { cookies: [{ name, value, domain: '127.0.0.1', path: '/', expires: -1, httpOnly: true, secure: false, sameSite: 'Strict' }], origins: [] };
  }

  /** A connected agent, started with further words. */
  async agent(name, more = []) {
    const { code } = await this.api('POST', 'agents/enrolment-codes', { type: 'server' });
    const secret = join(this.directory, `${name}.secret`);
    const words = ['agent', 'enroll', '--server', this.url, '--name', name, '--secret-file', secret, '--json'];
    const enrol = this.run(words, { NETIGNITE_ENROLMENT_CODE: code });
    await until('the agent enrols', () => enrol.exitCode !== null);
    const { id } = JSON.parse(enrol.output);
    const process = this.run(['agent', '--server', this.url, '--id', String(id), '--secret-file', secret, ...more]);
    await until('the agent is online', async () => (await this.api('GET', 'agents/status'))[id] === 'online');
    return { id, process };
  }

  async stop() {
    for (const child of this.children) child.kill('SIGKILL');
    await rm(this.directory, { recursive: true, force: true });
  }
}

let browser;
const windows = new Set();
// One that a failed test leaves open would hold its stream of events against the tests that follow.
afterEach(async () => {
  for (const context of windows) await context.close();
  windows.clear();
});

/** A window of the browser, watched. */
export async function open(server, { size = DESKTOP, touch = size === PHONE, scheme = 'light', locale = 'en-GB', state } = {}) {
  browser ??= await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  const context = await browser.newContext({
    viewport: size,
    colorScheme: scheme,
    locale,
    hasTouch: touch,
    isMobile: touch,
    reducedMotion: 'reduce',
    storageState: state,
  });
  const wrong = [];
  const requests = [];
  windows.add(context);
  context.on('page', (page) => {
    page.on('pageerror', (error) => wrong.push(`error: ${error.stack}`));
    page.on('console', (message) => {
      // What the API refuses is shown in the page, and is no fault of it.
      const refused = /^Failed to load resource/.test(message.text());
      if (message.type() === 'error' && !refused) wrong.push(`console: ${message.text()}`);
    });
    page.on('request', (request) => {
      requests.push(request);
      const { host, protocol } = new URL(request.url());
      if (protocol !== 'data:' && host !== new URL(server.url).host) wrong.push(`another host: ${request.url()}`);
    });
    page.on('crash', () => wrong.push('the page crashed'));
  });
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
      throw new Error(`policy violated: ${violatedDirective} ${blockedURI}`);
    });
  });
  const page = await context.newPage();
  page.setDefaultTimeout(Number(process.env.PATIENCE ?? 20_000));
  const goto = async (path = '') => {
    await page.goto(server.url + path);
  };
  const close = async () => {
    await context.close();
    assert.deepEqual(wrong, []);
  };
  return { context, page, goto, close, requests, wrong };
}

/** Ends the browser. */
export async function quit() {
  await browser?.close();
  browser = undefined;
}

/** Signs in on the page, once that is what it shows: a page that is about to be left may have such fields, too. */
export async function signIn(page, username, password) {
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.getByLabel('User name').fill(username);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** A code of an authenticator app, `ahead` steps from now. */
export function totp(secret, ahead = 0) {
  let bits = '';
  for (const letter of secret) bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead));
  const digest = createHmac('sha1', key).update(step).digest();
  const at = digest[19] & 15;
  return String((digest.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

/** The faults of a page that axe calls serious or worse. */
async function faults(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(' | ')}`);
}

/** What holds of every page at any time: axe finds nothing serious, and nothing is wider than the screen. */
export async function accessible(page, name = page.url()) {
  assert.deepEqual(await faults(page), [], name);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 0, `${name} is ${overflow} px too wide`);
}

/**
 * What holds of every page on a screen that is touched: whatever can be touched takes a finger within 40 by 40 pixels. A link within
 * a sentence is as high as its line.
 */
export async function touchable(page, name = page.url()) {
  assert.ok(await page.evaluate(() => matchMedia('(pointer: coarse)').matches), 'the screen is touched');
  const small = await page.evaluate(() => {
    const LEAST = 40;
    // What lies above all else goes by itself.
    document.getElementById('notices')?.hidePopover();
    const top = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body;
    const inline = (element) => getComputedStyle(element).display === 'inline';
    const inSentence = (element) => {
      let around = element.parentElement;
      while (inline(around)) around = around.parentElement;
      return inline(element) && around.innerText.trim() !== element.innerText.trim();
    };
    /** Whether a touch there goes to the element, by itself or by its label. */
    const takes = (element, x, y) => {
      const hit = document.elementFromPoint(x, y);
      return hit !== null && (element.contains(hit) || hit.closest('label')?.control === element);
    };
    const wrong = [];
    for (const element of top.querySelectorAll('a[href], button, input, select, textarea, summary, [role=option]')) {
      if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || element.closest('.unseen, .skip, [aria-hidden=true]') || inSentence(element)) continue;
      element.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
      const { left, top, width, height } = element.getBoundingClientRect();
      const [x, y] = [left + width / 2, top + height / 2];
      const reach = (dx, dy) => {
        let length = 0;
        for (const by of [1, -1]) for (let far = by === 1 ? 0 : 1; far < LEAST && takes(element, x + by * far * dx, y + by * far * dy); far += 1) length += 1;
        return length;
      };
      const [wide, high] = [reach(1, 0), reach(0, 1)];
      if (wide < LEAST || high < LEAST) wrong.push(`${wide} x ${high}: ${element.outerHTML.replace(/<!--.*?-->/g, '').replace(/\s+/g, ' ').slice(0, 120)}`);
    }
    scrollTo(0, 0);
    return wrong;
  });
  assert.deepEqual(small, [], name);
}

/** Keeps a picture of the page, where pictures are wanted. */
export async function picture(page, name, options = {}) {
  if (!images) return;
  await page.screenshot({ path: join(images, `${name}.png`), animations: 'disabled', caret: 'hide', ...options });
}
