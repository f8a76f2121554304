// The catalogues hold the same keys in each language, with the same placeholders, and the keys that the page uses.
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import test from 'node:test';

const web = new URL('../web/', import.meta.url);
const catalogue = async (/** @type {string} */ name) =>
  /** @type {Record<string, string>} */ (JSON.parse(await readFile(new URL(`i18n/${name}.json`, web), 'utf8')));
const en = await catalogue('en');
const de = await catalogue('de');

let source = '';
for (const name of await readdir(web, { recursive: true })) {
  if (name.endsWith('.js') && !name.startsWith('vendor/')) source += await readFile(new URL(name, web), 'utf8');
}

const placeholders = (/** @type {string} */ text) => (text.match(/\{\w+\}/g) ?? []).sort().join();

test('both languages have the same keys and placeholders', () => {
  assert.deepEqual(Object.keys(de).sort(), Object.keys(en).sort());
  for (const [key, text] of Object.entries(en)) {
    assert.ok(text.trim() && de[key].trim(), `${key} is empty`);
    assert.equal(placeholders(de[key]), placeholders(text), key);
  }
});

test('every key that the page names is there', () => {
  const named = [...source.matchAll(/\bt\(\s*(?:[\w.?]+\s*\?\s*)?'([^']+)'(?:\s*:\s*'([^']+)')?/g)];
  assert.ok(named.length > 200);
  for (const [, one, other] of named) {
    for (const key of [one, other]) assert.ok(!key || key in en, `${key} is in no catalogue`);
  }
  for (const [, key] of source.matchAll(/\btn\('([^']+)'/g)) {
    for (const form of ['one', 'other']) assert.ok(`${key}.${form}` in en, `${key}.${form} is in no catalogue`);
  }
});

test('what is translated of what the server says is said by it', async () => {
  const domain = new URL('../../../src/domain/', import.meta.url);
  let server = '';
  for (const name of await readdir(domain, { recursive: true })) if (name.endsWith('.rs')) server += await readFile(new URL(name, domain), 'utf8');
  const texts = Object.entries(en).filter(([key]) => key.startsWith('said.'));
  assert.ok(texts.length > 20);
  for (const [key, text] of texts) {
    const source = text.split(/\{\w+\}/).map((part) => part.replace(/[.*+?^$()|[\]\\]/g, '\\$&')).join('\\{[^}]*\\}');
    assert.match(server.replaceAll('{how}', ''), new RegExp(`"${source}"`), key);
  }
});

test('no key is left over', () => {
  // Keys that are put together, by how they begin.
  const made = [...source.matchAll(/[`']([a-z][\w.]*\.)\$\{/gi)].map(([, start]) => start);
  made.push('audit.actions.', 'period.', 'said.');
  for (const key of Object.keys(en)) {
    const plain = key.replace(/\.(one|other)$/, '');
    const used = source.includes(`'${key}'`) || source.includes(`'${plain}'`) || made.some((start) => key.startsWith(start));
    assert.ok(used, `${key} is used nowhere`);
  }
});
