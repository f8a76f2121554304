// What the reference reads out of the committed document, and of what others may write.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { allCodes, boundsOf, codesOf, curl, example, groups, matches, typeOf } from '../web/reference/openapi.js';

const root = JSON.parse(await readFile(new URL('../../../docs/openapi.json', import.meta.url), 'utf8'));
const found = groups(root);
const routes = found.flatMap((group) => group.routes);
const one = (/** @type {string} */ id) => {
  const route = routes.find((route) => route.id === id);
  assert.ok(route, id);
  return route;
};

test('every route is there once, in the order of the tags', () => {
  const all = Object.entries(root.paths).flatMap(([path, item]) => Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`));
  assert.deepEqual(routes.map(({ method, path }) => `${method} ${path}`).sort(), all.sort());
  assert.equal(new Set(routes.map(({ id }) => id)).size, routes.length);
  assert.deepEqual(found.map(({ name }) => name), root.tags.map((/** @type {any} */ tag) => tag.name));
});

test('whom a route is open to', () => {
  const expected = { post_auth_login: 'public', get_account_tokens: 'session', get_devices: 'caller', get_agent_control_service: 'agent', post_admin_secrets_rotate_master_key: 'operator' };
  for (const [id, who] of Object.entries(expected)) assert.equal(one(id).who, who, id);
  assert.deepEqual(one('post_agents_id_secret').permissions, ['agents:write', 'agents:secret']);
  assert.equal(one('get_devices').note, '');
});

test('an answer is shown without its envelope, an error with its codes', () => {
  const wake = one('post_devices_id_wakeup');
  const [ok] = wake.responses;
  assert.equal(typeOf(ok.schema ?? {}, root), 'object | null');
  const conflict = wake.responses.find(({ status }) => status === '409');
  assert.ok(conflict?.codes.some(({ code, text }) => code === 'no_port' && text.length > 10));
  assert.ok(conflict?.headers.some(([name]) => name === 'Retry-After'));
  const codes = allCodes(found);
  assert.ok(codes.length > 40);
  assert.deepEqual(codes.find(({ code }) => code === 'not_found')?.statuses, ['404']);
  assert.deepEqual(codesOf('OK'), []);
});

test('what is typed is looked for word by word', () => {
  assert.ok(matches(one('post_devices_id_wakeup'), 'Wake  devices'));
  assert.ok(matches(one('post_devices_id_wakeup'), 'no_secure_on'));
  assert.ok(matches(one('get_devices'), ''));
  assert.ok(!matches(one('get_devices'), 'wake zebra'));
});

test('types and bounds in words', () => {
  /** @type {any} */
  const schema = { $defs: { N: { type: 'integer', minimum: 1, maximum: 9 } } };
  assert.equal(typeOf({ type: 'array', items: { anyOf: [{ $ref: '#/$defs/N' }, { type: 'null' }] } }, schema), '(integer | null)[]');
  assert.equal(typeOf({ oneOf: [{ const: 'a' }, { const: 'b' }] }, schema), '"a" | "b"');
  assert.equal(typeOf({}, schema), 'any');
  assert.deepEqual(boundsOf({ $ref: '#/$defs/N' }, schema), ['1 ≤ n ≤ 9']);
  assert.deepEqual(boundsOf({ type: 'string', minLength: 1, pattern: '^x$', default: 'x' }, schema), ['length ≥ 1', '/^x$/', '= "x"']);
});

test('a call as a line for a shell', () => {
  assert.equal(curl({ method: 'GET', url: 'http://a/b' }), 'curl -sS http://a/b');
  assert.equal(
    curl({ method: 'PUT', url: 'http://a/b?c=d&e', body: `{"a":"it's"}`, token: true, headers: { prefer: 'wait=1' } }),
    `curl -sS -X PUT 'http://a/b?c=d&e' \\\n  -H "Authorization: Bearer $NETIGNITE_TOKEN" \\\n  -H 'prefer: wait=1' \\\n  -H 'Content-Type: application/json' \\\n  -d '{"a":"it'\\''s"}'`,
  );
  const wake = example(one('post_devices_id_wakeup'), new URL('http://host/under/'));
  assert.match(wake, /^curl -sS 'http:\/\/host\/under\/api\/devices\/\{id\}\/wakeup' \\\n {2}-H "Authorization/);
});
