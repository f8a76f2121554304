// Wakes under way: each is an operation of the server, which sends the packets and looks for the device. Here they are
// begun, followed while any page is shown, and withdrawn.
import { call, get, post } from './api.js';
import { lasting, t } from './i18n.js';
import { follow, underWay, wakeEvents, wakes } from './live.js';
import { live, reasonOf } from './operation.js';
import { announce, notifyError, say } from './ui.js';

/** @typedef {import('./live.js').Wake} Wake */

/** Wakes that are begun, or asked for, at the same time. */
const AT_ONCE = 4;

const tell = () => wakeEvents.dispatchEvent(new Event('change'));

/** @type {Wake[]} */
const waiting = [];
let sending = 0;

/**
 * Wakes a device, unless that is under way.
 * @param {Device} device
 */
export function wake(device) {
  const before = wakes.get(device.id);
  if (before && underWay(before)) return;
  /** @type {Wake} */
  const wake = { device, phase: 'waiting', begun: Date.now(), ended: 0, operation: null, error: null };
  wakes.set(device.id, wake);
  waiting.push(wake);
  tell();
  void sendNext();
}

async function sendNext() {
  if (sending >= AT_ONCE) return;
  const wake = waiting.shift();
  if (!wake) return;
  sending += 1;
  const { id, name } = wake.device;
  wake.phase = 'sending';
  wake.begun = Date.now();
  tell();
  try {
    const headers = { prefer: 'respond-async' };
    take(wake, await call('POST', `devices/${id}/wakeup`, { body: { until: 'online' }, headers }));
    if (underWay(wake)) announce(t('wake.said.begun', { name }));
    askSoon(300);
  } catch (error) {
    wake.error = error;
    wake.phase = 'failed';
    wake.ended = Date.now();
    announce(t('wake.said.failed', { name, why: say(error) }));
    tell();
  }
  sending -= 1;
  void sendNext();
}

/**
 * Withdraws a wake.
 * @param {Wake} wake
 */
export async function cancelWake(wake) {
  if (!wake.operation) return;
  try {
    take(wake, await post(`operations/${wake.operation.id}/cancel`));
  } catch (error) {
    notifyError(error);
  }
  askSoon(0);
}

/** What an operation says of its wake. @param {Wake} wake @param {Operation} operation */
function take(wake, operation) {
  const before = wake.phase;
  const { name } = wake.device;
  const { state, endedAt } = operation;
  // Once it is over its whole trail is read again.
  wake.operation = live(operation) ? { ...operation, trail: operation.trail ?? wake.operation?.trail } : operation;
  wake.phase = PHASES[state];
  if (!underWay(wake) && before !== wake.phase) {
    wake.ended = endedAt ?? Date.now();
    if (wake.phase === 'online') {
      const after = lasting(operation.evidence?.onlineAfterMs ?? wake.ended - wake.begun);
      announce(t('wake.said.online', { name, after }));
    } else if (wake.phase === 'canceled') announce(t('wake.said.canceled', { name }));
    else announce(t('wake.said.silent', { name, why: reasonOf(operation) }));
  }
  tell();
}

/** @type {Record<Operation['state'], Wake['phase']>} */
const PHASES = {
  queued: 'queued',
  running: 'looking',
  succeeded: 'online',
  canceled: 'canceled',
  failed: 'silent',
  timed_out: 'silent',
  expired: 'silent',
};

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** @param {number} after */
function askSoon(after) {
  clearTimeout(timer);
  timer = setTimeout(askAll, after);
}

/** Whether there is more to learn of a wake. @param {Wake} wake */
const open = (wake) => wake.operation !== null && (underWay(wake) || !wake.operation.trail);

follow((changes) => {
  for (const { type, data } of changes) {
    if (type === 'reset') askSoon(0);
    if (type !== 'operation.changed') continue;
    const wake = [...wakes.values()].find(({ operation }) => operation?.id === data.id);
    if (!wake || !open(wake)) continue;
    take(wake, data);
    askSoon(200);
  }
});

/** Reads the steps of those that have ended; of the others, too, where they are few enough to be looked at. */
async function askAll() {
  const all = [...wakes.values()].filter(open);
  const sought = all.length > AT_ONCE ? all.filter((wake) => !underWay(wake)) : all;
  for (let i = 0; i < sought.length; i += AT_ONCE) {
    await Promise.all(sought.slice(i, i + AT_ONCE).map(ask));
  }
}

/** @param {Wake} wake */
async function ask(wake) {
  try {
    const operation = await get(`operations/${wake.operation?.id}`);
    // It may have been withdrawn while this was under way.
    if (open(wake)) take(wake, operation);
  } catch {
    // The operation goes on at the server; its next change says more.
  }
}
