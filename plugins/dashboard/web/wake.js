// Wakes under way: each is an operation of the server, which sends the packets and looks for the device. Here they are
// begun, followed while any page is shown, and withdrawn.
import { html, nothing } from './vendor/lit.js';
import { call, events, follow, get, post, wakes } from './api.js';
import { live, reasonOf } from './operation.js';
import { announce, lasting, notifyError, say, t } from './ui.js';

/** Wakes that are begun, or asked for, at the same time. */
const AT_ONCE = 4;

/**
 * Where a wake is: `waiting` for its turn, `sending` it, `queued` until its agent is there, `looking`, `online`, `canceled`,
 * `silent` (it ended otherwise) or `failed` (there is no operation, since it was refused).
 * @typedef {'waiting' | 'sending' | 'queued' | 'looking' | 'online' | 'silent' | 'canceled' | 'failed'} Phase
 */

/** A wake of a device, and what is shown of it. */
export class Wake {
  /** @type {Phase} */
  phase = 'waiting';
  begun = Date.now();
  ended = 0;
  /** @type {Operation | null} */
  operation = null;
  /** @type {unknown} */
  error = null;

  /** @param {Device} device */
  constructor(device) {
    this.device = device;
  }

  get underWay() {
    return ['waiting', 'sending', 'queued', 'looking'].includes(this.phase);
  }

  /** The button that withdraws it. */
  get withdraw() {
    if (!this.operation) return nothing;
    return html`<button class="why" aria-label=${t('wake.cancel', { name: this.device.name })} @click=${() => cancelWake(this)}>${t('cancel')}</button>`;
  }

  /** The button that shows how it went, step by step. */
  get why() {
    const open = async () => (await import('./why.js')).openWhy(this);
    return html`<button class="why" @click=${open}>${t('why')}</button>`;
  }

  /**
   * What it shows in words: the state's kind and text.
   * @returns {['busy' | 'online' | 'unknown' | 'failed', string]}
   */
  get shown() {
    const after = lasting((this.ended || Date.now()) - this.begun);
    switch (this.phase) {
      case 'waiting':
        return ['busy', t('wake.waiting')];
      case 'sending':
        return ['busy', t('wake.sending')];
      case 'looking':
        return ['busy', t('wake.looking', { after })];
      case 'queued':
        return ['busy', t('wake.queued')];
      case 'online':
        return ['online', this.operation?.evidence?.wasOnline ? t('wake.already') : t('wake.online', { after: lasting(this.operation?.evidence?.onlineAfterMs ?? this.ended - this.begun) })];
      case 'canceled':
        return ['unknown', t('wake.canceled')];
      case 'silent':
        return ['failed', t('wake.silent')];
      default:
        return ['failed', t('wake.failed')];
    }
  }
}

const tell = () => events.dispatchEvent(new Event('wakes'));

/** @type {Wake[]} */
const waiting = [];
let sending = 0;

/**
 * Wakes a device, unless that is under way.
 * @param {Device} device
 */
export function wake(device) {
  if (wakes.get(device.id)?.underWay) return;
  const wake = new Wake(device);
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
    if (wake.underWay) announce(t('wake.said.begun', { name }));
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
async function cancelWake(wake) {
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
  if (!wake.underWay && before !== wake.phase) {
    wake.ended = endedAt ?? Date.now();
    if (wake.phase === 'online') {
      const after = lasting(operation.evidence?.onlineAfterMs ?? wake.ended - wake.begun);
      announce(operation.evidence?.wasOnline ? t('wake.said.already', { name }) : t('wake.said.online', { name, after }));
    } else if (wake.phase === 'canceled') announce(t('wake.said.canceled', { name }));
    else announce(t('wake.said.silent', { name, why: reasonOf(operation) }));
  }
  tell();
}

/** @type {Record<Operation['state'], Phase>} */
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
const open = (wake) => wake.operation !== null && (wake.underWay || !wake.operation.trail);

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
  const sought = all.length > AT_ONCE ? all.filter((wake) => !wake.underWay) : all;
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
