// Forms from JSON Schemas, as the registry's commands have them and as commands of others may.
import assert from 'node:assert/strict';
import test from 'node:test';
import { fields, read, words } from '../web/schema.js';

/** @type {any} */
const schema = {
  type: 'object',
  required: ['macAddress', 'mode', 'target', 'force'],
  properties: {
    macAddress: { description: 'Which card', $ref: '#/$defs/Mac' },
    port: { anyOf: [{ type: 'integer', minimum: 1, maximum: 65535 }, { type: 'null' }], default: 9 },
    mode: { oneOf: [{ const: 'soft', description: 'x' }, { const: 'hard', description: 'y' }] },
    force: { type: 'boolean' },
    hosts: { type: ['array', 'null'], items: { type: 'string' } },
    target: { type: 'object', required: ['name'], properties: { name: { type: 'string' }, weight: { type: 'number' } } },
    extra: { type: 'array', items: { type: 'object' } },
  },
  $defs: { Mac: { type: 'string', pattern: '^x$', maxLength: 17 } },
};

test('each kind of property is a field', () => {
  const found = Object.fromEntries(fields(schema).map((field) => [field.path.join('.'), field]));
  assert.deepEqual(
    Object.entries(found).map(([name, { kind, required }]) => [name, kind, required]),
    [
      ['macAddress', 'text', true],
      ['port', 'integer', false],
      ['mode', 'choice', true],
      ['force', 'boolean', true],
      ['hosts', 'lines', false],
      ['target.name', 'text', true],
      ['target.weight', 'number', false],
      ['extra', 'json', false],
    ],
  );
  assert.equal(found.macAddress.pattern, '.*(?:^x$).*');
  assert.equal(found.macAddress.description, 'Which card');
  assert.deepEqual([found.port.min, found.port.max, found.port.value], [1, 65535, '9']);
  assert.deepEqual(found.mode.options, ['soft', 'hard']);
});

test('what was typed becomes the object', () => {
  const typed = { macAddress: 'x', port: '7', mode: 'hard', hosts: ' a \n\nb', 'target.name': 'n', 'target.weight': '1.5', extra: '[{"a":1}]' };
  assert.deepEqual(read(fields(schema), typed), {
    macAddress: 'x',
    port: 7,
    mode: 'hard',
    force: false,
    hosts: ['a', 'b'],
    target: { name: 'n', weight: 1.5 },
    extra: [{ a: 1 }],
  });
});

test('what was left empty is left out, unless it is required', () => {
  assert.deepEqual(read(fields(schema), { macAddress: '' }), { macAddress: '', mode: '', force: false, target: { name: '' } });
  assert.deepEqual(fields({ type: 'object' }), []);
  assert.deepEqual(read([], {}), {});
});

test('a pattern is one that an input takes, or none', () => {
  const of = (/** @type {string} */ pattern) => fields({ type: 'object', properties: { a: { type: 'string', pattern } } })[0].pattern;
  const mac = of('^([0-9A-F]{2}[:-]){5}[0-9A-F]{2}$') ?? '';
  assert.ok(new RegExp(`^(?:${mac})$`, 'v').test('AA:BB-CC:DD:EE:FF'));
  assert.equal(of('(?P<name>x)'), undefined);
});

test('a schema that refers to itself ends', () => {
  /** @type {any} */
  const endless = { type: 'object', properties: { next: { $ref: '#/$defs/Node' } }, $defs: { Node: { type: 'object', properties: { next: { $ref: '#/$defs/Node' } } } } };
  assert.equal(fields(endless).length, 1);
});

test('names become words', () => {
  for (const [name, said] of [
    ['macAddress', 'MAC address'],
    ['probePorts', 'Probe ports'],
    ['ip_address', 'IP address'],
    ['seconds', 'Seconds'],
  ]) {
    assert.equal(words(name), said);
  }
});
