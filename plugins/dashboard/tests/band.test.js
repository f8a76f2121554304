// From a timeline's entries to stretches without gaps.
import assert from 'node:assert/strict';
import test from 'node:test';
import { stretches, totals } from '../web/band.js';

/** @param {number} at @param {DevicePresence['state']} state @returns {TimelineEntry} */
const seen = (at, state) => ({ kind: 'presence', at, presence: { state, since: at, method: null, checkedAt: at, why: 'seen' } });

test('states last until the next one, and what was before the first is not known', () => {
  const entries = [seen(80, 'offline'), seen(50, 'online'), seen(40, 'waking')];
  assert.deepEqual(stretches(entries, 0, 100), [
    { from: 0, to: 40, state: 'unknown' },
    { from: 40, to: 50, state: 'waking' },
    { from: 50, to: 80, state: 'online' },
    { from: 80, to: 100, state: 'offline' },
  ]);
  assert.deepEqual(Object.fromEntries(totals(stretches(entries, 0, 100))), { unknown: 40, waking: 10, online: 30, offline: 20 });
});

test('what began before the time fills it from its beginning', () => {
  assert.deepEqual(stretches([seen(50, 'online'), seen(5, 'offline'), seen(1, 'online')], 10, 60), [
    { from: 10, to: 50, state: 'offline' },
    { from: 50, to: 60, state: 'online' },
  ]);
  assert.deepEqual(stretches([seen(5, 'online')], 10, 60), [{ from: 10, to: 60, state: 'online' }]);
});

test('equal states that follow each other are one stretch; without entries nothing is known', () => {
  assert.deepEqual(stretches([seen(30, 'online'), seen(20, 'online')], 20, 40), [{ from: 20, to: 40, state: 'online' }]);
  assert.deepEqual(stretches([], 0, 10), [{ from: 0, to: 10, state: 'unknown' }]);
  // A clock that was set back: what lies ahead is passed over.
  assert.deepEqual(stretches([seen(99, 'online')], 0, 10), [{ from: 0, to: 10, state: 'unknown' }]);
});
