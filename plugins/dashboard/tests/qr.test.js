// The path of a QR code is the code that the encoder made, square by square.
import assert from 'node:assert/strict';
import test from 'node:test';
import { encode } from '../web/vendor/qr.js';

test('a path holds the dark squares and no others', async () => {
  // Lit looks for these where it is loaded; nothing of it is used here.
  Object.assign(globalThis, { document: { createTreeWalker: () => ({}), createComment: () => ({}) }, HTMLElement: class {}, Document: class {}, CSSStyleSheet: class {} });
  const { path } = await import('../web/qr.js');
  const text = 'NETIGNITE_ENROLMENT_CODE=7K3M-9QXD-0V5T-HB2E netignite agent enroll --server http://192.168.1.2:18232';
  const { d, size } = path(text);
  const { data } = encode(text, { ecc: 'M', border: 2 });
  assert.equal(size, data.length);
  const drawn = data.map((row) => row.map(() => false));
  for (const [, x, y, width] of d.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) {
    for (let i = 0; i < Number(width); i += 1) drawn[Number(y)][Number(x) + i] = true;
  }
  assert.deepEqual(drawn, data.map((row) => row.map(Boolean)));
});
