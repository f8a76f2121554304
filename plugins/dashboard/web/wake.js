// Wakes under way: the packet is sent, then the device is looked for until it is there or its time is over. They go on
// while other pages are shown. Devices that are looked for at the same time are asked for in one request.
import { get, post } from './api.js';
import { lasting, t } from './i18n.js';
import { devices, underWay, wakeEvents, wakes } from './live.js';
import { announce, say } from './ui.js';

/** How long a device is looked for, and how often, in milliseconds. */
const PATIENCE = 120_000;
const EVERY = 3000;
/** @typedef {import('./live.js').Wake} Wake */

/** Packets that are asked for at the same time, where many devices are woken at once. */
const AT_ONCE = 4;

const tell = () => wakeEvents.dispatchEvent(new Event('change'));

/** @param {Wake} wake @param {string} words */
function step(wake, words) {
  wake.steps.push({ at: Date.now(), words });
  tell();
}

/** @param {Wake} wake @param {'online' | 'silent' | 'failed'} phase @param {string} words @param {string} said */
function end(wake, phase, words, said) {
  wake.phase = phase;
  wake.ended = Date.now();
  step(wake, words);
  announce(said);
}

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
  const wake = { device, phase: 'waiting', begun: Date.now(), ended: 0, steps: [], last: '', error: null };
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
  step(wake, t('wake.step.asked'));
  try {
    await post(`devices/${id}/wakeup`);
    wake.phase = 'looking';
    step(wake, t('wake.step.sent'));
    announce(t('wake.said.sent', { name }));
    lookSoon();
  } catch (error) {
    wake.error = error;
    end(wake, 'failed', say(error), t('wake.said.failed', { name, why: say(error) }));
  }
  sending -= 1;
  void sendNext();
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

function lookSoon() {
  timer ??= setTimeout(look, EVERY);
}

/** One look at every device that is looked for. */
async function look() {
  const sought = [...wakes.values()].filter(({ phase }) => phase === 'looking');
  /** @type {Record<string, 'online' | 'offline' | 'unknown'>} */
  let seen = {};
  try {
    seen = await get('devices/status', { ids: sought.map(({ device }) => device.id).join(',') });
  } catch {
    // A look that fails is no end: the packets are out.
  }
  for (const wake of sought) {
    const { id, name } = wake.device;
    const now = seen[id] ?? 'unknown';
    devices.set(id, now);
    if (now === 'online') {
      const after = lasting(Date.now() - wake.begun);
      end(wake, 'online', t('wake.step.online', { after }), t('wake.said.online', { name, after }));
    } else if (Date.now() - wake.begun > PATIENCE) {
      const words = t(now === 'unknown' ? 'wake.step.cannot_tell' : 'wake.step.silent', { after: lasting(PATIENCE) });
      end(wake, 'silent', words, t('wake.said.silent', { name }));
    } else if (now !== wake.last) {
      wake.last = now;
      step(wake, t(`wake.step.${now}`));
    }
  }
  timer = undefined;
  if ([...wakes.values()].some(({ phase }) => phase === 'looking')) lookSoon();
}
