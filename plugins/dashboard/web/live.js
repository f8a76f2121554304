// What changes by itself: whether agents are connected and devices are up. Pages say what they look at and are told when
// it changes; where the facts come from is known here alone. Today the server is asked every few seconds, while the page
// is looked at.
import { events, get, heard, session } from './api.js';
import { lasting, t } from './i18n.js';

/** How often agents are asked for, and devices, in milliseconds. A look at a device costs its agent a probe. */
const AGENTS_EVERY = 4000;
const DEVICES_EVERY = 15_000;
/** How much longer it takes for each agent there is: a long list costs both sides more. */
const LONGER = 2;
/** After how long without an answer the server is asked whether it is there, and whether the session still is. */
const PULSE = 10_000;
/** The devices asked for at once. */
const MOST_DEVICES = 100;

/** @typedef {{ids: () => number[], told: () => void}} Watch */

/** What is known of agents, by ID. @type {Map<number, Presence>} */
export const agents = new Map();
/** What is known of devices, by ID. @type {Map<number, 'online' | 'offline' | 'unknown'>} */
export const devices = new Map();

/**
 * A wake: `waiting` for its turn, `sending` it, `queued` until its agent is there, `looking`, `online`, `canceled`,
 * `silent` (it ended otherwise) or `failed` (there is no operation, since it was refused).
 * @typedef {{device: Device, phase: 'waiting' | 'sending' | 'queued' | 'looking' | 'online' | 'silent' | 'canceled' | 'failed',
 *   begun: number, ended: number, operation: Operation | null, error: unknown}} Wake
 */

/** The last wake of each device, by its ID. @type {Map<number, Wake>} */
export const wakes = new Map();

/** Tells of every change: `change`. */
export const wakeEvents = new EventTarget();

/** @param {Wake} wake */
export const underWay = ({ phase }) => ['waiting', 'sending', 'queued', 'looking'].includes(phase);

/**
 * What a wake shows in words: the state's kind and text.
 * @param {Wake} wake
 * @returns {['busy' | 'online' | 'unknown' | 'failed', string]}
 */
export function wakeState(wake, now = Date.now()) {
  const after = lasting((wake.ended || now) - wake.begun);
  switch (wake.phase) {
    case 'waiting':
      return ['busy', t('wake.waiting')];
    case 'sending':
      return ['busy', t('wake.sending')];
    case 'looking':
      return ['busy', t('wake.looking', { after })];
    case 'queued':
      return ['busy', t('wake.queued')];
    case 'online':
      return ['online', t('wake.online', { after: lasting(wake.operation?.evidence?.onlineAfterMs ?? wake.ended - wake.begun) })];
    case 'canceled':
      return ['unknown', t('wake.canceled')];
    case 'silent':
      return ['failed', t('wake.silent')];
    default:
      return ['failed', t('wake.failed')];
  }
}

/** @type {Set<Watch>} */
const agentWatches = new Set();
/** @type {Set<Watch>} */
const deviceWatches = new Set();

/**
 * Calls back with every look at the agents, until the function that is given back is called.
 * @param {() => void} told
 */
export function watchAgents(told) {
  return watch(agentWatches, { ids: () => [], told }, agentLoop);
}

/**
 * Calls back with every look at the devices that `ids` names then.
 * @param {() => number[]} ids
 * @param {() => void} told
 */
export function watchDevices(ids, told) {
  return watch(deviceWatches, { ids, told }, deviceLoop);
}

/** Looks at the devices soon: those that are looked at have changed. */
export const lookSoon = () => deviceLoop.soon();

/** @param {Set<Watch>} watches @param {Watch} watch @param {Loop} loop */
function watch(watches, watch, loop) {
  watches.add(watch);
  loop.soon();
  return () => void watches.delete(watch);
}

/** Does something again and again, one at a time, while the page is looked at. */
class Loop {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #running = false;
  #again = false;

  /** @param {number} every @param {() => Promise<void>} work */
  constructor(every, work) {
    this.every = every;
    this.work = work;
  }

  /** Runs now, or once more where it is running. */
  soon() {
    if (this.#running) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#run, 50);
  }

  #run = async () => {
    if (document.hidden || !session) return;
    this.#running = true;
    try {
      await this.work();
    } catch {
      // What went wrong is shown by whoever shows whether the server answers; the next look tells more.
    }
    this.#running = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#run, this.#again ? 50 : this.every);
    this.#again = false;
  };
}

const agentLoop = new Loop(AGENTS_EVERY, async () => {
  if (agentWatches.size === 0) return;
  /** @type {Agent[]} */
  const list = await get('agents');
  agentLoop.every = AGENTS_EVERY + list.length * LONGER;
  agents.clear();
  for (const { id, presence } of list) if (presence) agents.set(id, presence);
  for (const { told } of agentWatches) told();
});

const deviceLoop = new Loop(DEVICES_EVERY, async () => {
  const ids = [...new Set([...deviceWatches].flatMap(({ ids }) => ids()))].slice(0, MOST_DEVICES);
  if (ids.length === 0) return;
  const states = await get('devices/status', { ids: ids.join(',') });
  for (const [id, state] of Object.entries(states)) devices.set(Number(id), state);
  for (const { told } of deviceWatches) told();
});

// Pages that watch nothing learn of a lost server or an ended session, too.
const pulse = new Loop(PULSE, async () => {
  if (Date.now() - heard >= PULSE) await get('auth/session');
});

const soon = () => {
  if (document.hidden) return;
  for (const loop of [agentLoop, deviceLoop, pulse]) loop.soon();
};
document.addEventListener('visibilitychange', soon);
events.addEventListener('changed', soon);
events.addEventListener('session', soon);
pulse.soon();
