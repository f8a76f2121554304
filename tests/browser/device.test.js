// A device's page: all that can be set of it, what happened to it, shutting it down, and why it did not wake.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DESKTOP, PASSWORD, PHONE, Server, accessible, open, picture, quit, signIn, until } from './support.js';

/** @type {Server} */
let server;
let attic;
let desk;
before(async () => {
  server = await Server.start();
  await server.signIn();
  attic = await server.agent('Attic Pi');
  // Shutting down leaves a file in the place of a machine that is off.
  const config = join(server.directory, 'agent.json');
  await writeFile(config, JSON.stringify({ allow: ['SHUTDOWN'], commands: { SHUTDOWN: { run: ['touch', join(server.directory, 'off')] } } }));
  desk = await server.agent('Desk', ['--config', config]);
  const garage = await server.api('POST', 'agents', { name: 'Garage', type: 'microcontroller', description: '', secret: 'long enough secret' });
  await server.api('POST', 'devices', { name: 'Workstation', type: 'desktop', macAddress: 'AA:BB:CC:00:11:22', agentID: attic.id, address: '127.0.0.1' });
  await server.api('POST', 'devices', { name: 'Ghost', type: 'server', macAddress: 'AA:BB:CC:00:11:44', agentID: attic.id, address: '192.0.2.77' });
  await server.api('POST', 'devices', { name: 'Car charger', type: 'server', macAddress: 'AA:BB:CC:00:11:55', agentID: garage });
  await server.choosePassword();
});
after(async () => {
  await quit();
  await server.stop();
});

test('how a device is woken and watched is edited where it stands; what is wrong is said at its field', async () => {
  const { page, goto, close } = await open(server);
  await goto('devices/1');
  await signIn(page, 'admin', PASSWORD);
  await page.getByRole('heading', { name: 'Waking and watching' }).waitFor();
  // The menu is there only once an agent runs on the device.
  assert.equal(await page.getByRole('button', { name: 'Power of Workstation' }).count(), 0);
  await page.getByRole('button', { name: 'Change how it is woken and watched' }).click();
  const options = page.locator('ni-device-options');
  await until('the form has the focus', () => page.evaluate(() => document.querySelector('ni-device-options form')?.contains(document.activeElement)));
  await options.getByLabel('Fallback agent 1').selectOption({ label: 'Garage' });
  await options.getByLabel('Fallback agent 2').selectOption({ label: 'Desk' });
  await options.getByLabel('Agent on the device').selectOption({ label: 'Desk' });
  await options.getByLabel('Looked for').selectOption('60');
  await options.getByLabel('Ports to try').fill('22, ssh');
  await options.getByLabel('Packets go to').fill('192.168.1.999');
  await options.getByLabel('SecureOn password').fill('AA:BB');
  await options.getByRole('button', { name: 'Save' }).click();
  await options.getByText('At most 5 different ports').waitFor();
  await options.getByText('This is no IPv4 address').waitFor();
  await options.getByText('This is not 6 bytes').waitFor();
  assert.equal(await options.locator('[aria-invalid=true]').count(), 3);
  await until('the first wrong field has the focus', () => page.evaluate(() => document.activeElement?.getAttribute('name') === 'probePorts'));
  await accessible(page);
  await options.getByLabel('Ports to try').fill('22, 3389');
  await options.getByLabel('Packets go to').fill('192.168.1.255');
  await options.getByLabel('SecureOn password').fill('A1:B2:C3:D4:E5:F6');
  await options.getByRole('button', { name: 'Save' }).click();
  await options.getByText('every 1 min').waitFor();
  await options.getByText('22, 3389').waitFor();
  await until('the focus is where it was', () => page.evaluate(() => document.activeElement?.getAttribute('aria-label')?.startsWith('Change how')));
  const { fallbackAgentIDs, hostAgentID, probePorts, broadcastAddress, secureOn, watchInterval, name, address } = await server.api('GET', 'devices/1');
  const [garage] = (await server.api('GET', 'agents')).filter((agent) => agent.name === 'Garage');
  assert.deepEqual(
    { fallbackAgentIDs, hostAgentID, probePorts, broadcastAddress, secureOn, watchInterval, name, address },
    { fallbackAgentIDs: [garage.id, desk.id], hostAgentID: desk.id, probePorts: [22, 3389], broadcastAddress: '192.168.1.255', secureOn: 'A1:B2:C3:D4:E5:F6', watchInterval: 60, name: 'Workstation', address: '127.0.0.1' },
  );
  // All is taken back as well.
  await page.getByRole('button', { name: 'Change how it is woken and watched' }).click();
  await options.getByLabel('Fallback agent 2').selectOption('');
  for (const label of ['Ports to try', 'Packets go to', 'SecureOn password']) await options.getByLabel(label).fill('');
  await options.getByRole('button', { name: 'Save' }).click();
  await options.getByText('the usual ones').waitFor();
  const later = await server.api('GET', 'devices/1');
  assert.deepEqual([later.fallbackAgentIDs, later.probePorts, later.broadcastAddress, later.secureOn], [[garage.id], undefined, undefined, undefined]);
  await close();
});

test('a machine with an agent of its own is shut down after a question', async () => {
  const { page, goto, close } = await open(server);
  await goto('devices/1');
  await signIn(page, 'admin', PASSWORD);
  await page.locator('header .state.online').waitFor();
  await page.getByRole('button', { name: 'Power of Workstation' }).click();
  assert.equal(await page.locator('#power-menu button').count(), 1, 'only what its agent allows is offered');
  await page.getByRole('button', { name: 'Shut down', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('loses what is not saved').waitFor();
  await accessible(page);
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  assert.equal((await server.api('GET', 'operations?deviceID=1')).length, 0, 'nothing was sent');
  await page.getByRole('button', { name: 'Power of Workstation' }).click();
  await page.getByRole('button', { name: 'Shut down', exact: true }).click();
  await dialog.getByRole('button', { name: 'Shut down Workstation' }).click();
  await page.getByText('Workstation is shutting down').waitFor();
  await until('the agent did it', () => existsSync(join(server.directory, 'off')));
  await page.locator('.operations li', { hasText: 'Shut down' }).waitFor();
  await close();
});

test('a row’s one action fits the state: a machine that is up and has an agent of its own is shut down', async () => {
  for (const size of [DESKTOP, PHONE]) {
    const { page, goto, close } = await open(server, { size, locale: 'de-DE', state: server.state });
    await goto();
    await page.getByRole('button', { name: 'Ghost wecken' }).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Workstation wecken' }).count(), 0);
    const button = page.getByRole('button', { name: 'Workstation ausschalten' });
    await accessible(page);
    const [box, where] = [await button.boundingBox(), await page.locator('li', { has: button }).locator('.where').boundingBox()];
    assert.ok(!where || where.x + where.width <= box.x, `it covers nothing: ${JSON.stringify([box, where])}`);
    await button.click();
    await page.getByRole('dialog').getByText('nicht gespeichert').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await close();
  }
});

test('an agent’s page has its name whole on a phone', async () => {
  const { page, goto, close } = await open(server, { size: PHONE, state: server.state });
  await goto(`agents/${attic.id}`);
  await page.locator('header.page .state.online').waitFor();
  const { width } = await page.locator('header.page > div').first().boundingBox();
  assert.ok(width > 160, `${width} px`);
  await close();
});

test('what happened is a band and a list, which go on by themselves', async () => {
  const { page, goto, close } = await open(server);
  await goto('devices/1');
  await signIn(page, 'admin', PASSWORD);
  const band = page.locator('.band svg').first();
  await band.waitFor();
  await page.getByRole('button', { name: 'Wake Workstation' }).click();
  await page.locator('.operations li', { hasText: 'Wake' }).getByText('Done').waitFor();
  await until('the wake is a mark', async () => (await page.locator('.band .marks rect.done').count()) >= 1);
  await until('the time online is in the band', async () => (await page.locator('.band rect.online').count()) > 0);
  assert.match(await band.getAttribute('aria-label'), /online .*%/);
  for (const range of ['7 d', '30 d', '24 h']) {
    await page.getByRole('button', { name: range, exact: true }).click();
    await until(`${range} is shown`, async () => (await page.getByRole('button', { name: range, exact: true }).getAttribute('aria-pressed')) === 'true');
  }
  await accessible(page);
  // An agent that goes is in the band without a click, and so is what others do.
  desk.process.kill('SIGKILL');
  const before_ = await page.locator('.operations li').count();
  await server.api('POST', 'devices/1/wakeup', { until: 'online' });
  await until('the other wake is in the list', async () => (await page.locator('.operations li').count()) > before_);
  await close();
});

test('why it did not wake: what the reason means and what to do, on a phone and after a reload', async () => {
  const { page, goto, close } = await open(server, { size: PHONE, scheme: 'dark' });
  // The device is not there: the wake gives up after its time.
  const ended = await fetch(`${server.url}api/operations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie: server.cookie, prefer: 'wait=60' },
    body: JSON.stringify({ kind: 'wake', deviceID: 2, until: 'online', timeout: 4 }),
  }).then((answer) => answer.json());
  assert.equal(ended.data.state, 'failed', JSON.stringify(ended));
  await goto('devices/2');
  await signIn(page, 'admin', PASSWORD);
  await page.getByText('was not seen in time').first().waitFor();
  await page.getByText('What to check').waitFor();
  await page.getByText('Wake-on-LAN is switched on in the firmware').waitFor();
  await page.getByText(/Magic packet 1 was sent/).waitFor();
  await accessible(page);
  await picture(page, 'device-why-phone-dark', { fullPage: true });
  await page.getByRole('link', { name: 'See the operation' }).click();
  await page.getByRole('heading', { level: 1, name: 'Wake' }).waitFor();
  await page.getByRole('link', { name: 'Ghost' }).waitFor();
  await close();
});

test('what is offline says since when, in as few words as are clear', async () => {
  await server.signIn('admin', PASSWORD);
  // Its agent and that of its number are online: neither makes it so.
  const { since } = await until('it is known to be offline', async () => {
    await server.api('GET', 'devices/status?ids=2');
    const { presence } = await server.api('GET', 'devices/2');
    return presence?.state === 'offline' && presence.since ? presence : null;
  });
  const DAY = 86_400_000;
  for (const [locale, word, yesterday] of [['en-GB', 'since', 'yesterday'], ['de-DE', 'seit', 'gestern']]) {
    const { page, goto, close } = await open(server, { locale, state: server.state });
    const written = (options) => new Intl.DateTimeFormat(locale, options).format(since);
    for (const [later, when] of [
      [1000, written({ hour: '2-digit', minute: '2-digit' })],
      [DAY, yesterday],
      [3 * DAY, written({ weekday: 'long' })],
      [400 * DAY, written({ dateStyle: 'medium' })],
    ]) {
      await page.clock.setFixedTime(since + later);
      await goto();
      const state = page.locator('.rows li', { hasText: 'Ghost' }).locator('.state.offline');
      await state.getByText(`${word} ${when}`).waitFor();
      assert.equal(await state.innerText(), `Offline ${word} ${when}`);
      await goto('agents');
      await page.getByText('Desk', { exact: true }).waitFor();
      await goto('devices/2');
      await page.locator('header.page .state.offline').getByText(`${word} ${when}`).waitFor();
    }
    await close();
  }
});
