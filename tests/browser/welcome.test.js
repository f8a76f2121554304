// The first sign-in with the link that the first start writes: a password is chosen, one is in, and the link is dead.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { PASSWORD, PHONE, Server, accessible, open, picture, quit, signIn, until } from './support.js';

/** @type {Server} */
let server;
let file;
let link;
before(async () => {
  server = await Server.start();
  ({ file, link } = await server.firstLink());
});
after(async () => {
  await quit();
  await server.stop();
});

test('the link of the first start chooses a password and signs in, once', async () => {
  const { page, close, requests } = await open(server, { size: PHONE, scheme: 'dark' });
  await page.goto(link);
  await page.getByRole('heading', { name: 'Welcome to NetIgnite' }).waitFor();
  await accessible(page);
  await picture(page, 'welcome');
  // The field has the focus: one types at once.
  await until('the field has the focus', () => page.evaluate(() => document.activeElement?.getAttribute('name') === 'password'));
  await page.keyboard.type('password1234');
  await page.keyboard.press('Enter');
  await page.locator('.wrong').or(page.getByRole('alert').locator('p')).first().waitFor();
  await page.getByLabel('New password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Set password and sign in' }).click();
  await page.getByText('you are signed in').waitFor();
  await page.getByRole('heading', { name: 'Three steps to the first wake' }).waitFor();
  assert.ok(!page.url().includes('token'), 'the token is out of the address');
  const token = link.split('token=')[1];
  assert.ok(requests.every((request) => !new URL(request.url()).search.includes(token) && !request.headers().referer?.includes(token)));
  assert.ok(!existsSync(file), 'the link was for once');
  await close();

  const again = await open(server, { locale: 'de-DE' });
  await again.page.goto(link);
  await again.page.getByLabel('Neues Passwort').fill('ein ganz anderes Passwort');
  await again.page.getByRole('button', { name: 'Passwort setzen und anmelden' }).click();
  await again.page.getByRole('heading', { name: 'Dieser Link gilt nicht mehr' }).waitFor();
  await accessible(again.page);
  await picture(again.page, 'welcome-dead');
  await again.close();

  const later = await open(server);
  await later.goto();
  await signIn(later.page, 'admin', PASSWORD);
  await later.page.getByRole('heading', { name: 'Three steps to the first wake' }).waitFor();
  await later.close();
});
