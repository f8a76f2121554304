// What changes by itself: agents, devices, operations. The server's stream of events is read here while the page is looked
// at, and pages are passed what it brings. It goes on after the event that a list names, so that nothing is missed between
// the two; where the server no longer knows what followed, pages are asked to read again. A stream that is cut comes back
// by itself, and until then the page says that it is not live.
import { address, call, events, get, reach, session } from './api.js';
import { lasting, t } from './i18n.js';

/** After how long without a sign of life the stream counts as cut; the server gives one every 15 s. In milliseconds. */
const SILENCE = 40_000;
/** How long a tab that nobody looks at keeps its stream. */
const UNSEEN = 20_000;
/** How long a cut stream may take to come back before the page says so. */
const GRACE = 1000;
/** How long the first answer of a stream may take before the page says so. */
const FIRST_GRACE = 5000;
/** How long after a cut the next attempt comes, at first and at most. */
const SOON = 250;
const LATE = 15_000;
/** How long a page's list is waited for, which names where the stream goes on. */
const FIRST_LIST = 1500;
/** Changes that come together are passed on together. */
const TOGETHER = 40;
/** Changes that are kept for lists that are being read. */
const KEPT = 1000;
/** How often devices in sight are looked at, which costs their agents a probe. What the server learns comes at once. */
const LOOK_EVERY = 30_000;
/** The devices asked for at once. */
const MOST_DEVICES = 100;

/**
 * Something that changed: what the stream brought. After `reset` lists are to be read again.
 * @typedef {{type: string, at: number, data: any, id: string}} Change
 * @typedef {{state: DevicePresence['state'], since: number | null}} Seen
 */

/** What was seen last of devices, by ID. @type {Map<number, Seen>} */
export const seen = new Map();

/** Whether what is shown is as the server has it, within a second. */
export let live = true;

/**
 * A wake: `waiting` for its turn, `sending` it, `queued` until its agent is there, `looking`, `online`, `canceled`,
 * `silent` (it ended otherwise) or `failed` (there is no operation, since it was refused).
 * @typedef {{device: Device, phase: 'waiting' | 'sending' | 'queued' | 'looking' | 'online' | 'silent' | 'canceled' | 'failed',
 *   begun: number, ended: number, operation: Operation | null, error: unknown}} Wake
 */

/** The last wake of each device, by its ID. @type {Map<number, Wake>} */
export const wakes = new Map();

/** Says when a wake has changed: `change`. */
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

/** @type {Set<(changes: Change[]) => void>} */
const followers = new Set();

/**
 * Calls back with what changed, until the function that is given back is called.
 * @param {(changes: Change[]) => void} follower
 */
export function follow(follower) {
  followers.add(follower);
  begin();
  return () => void followers.delete(follower);
}

/**
 * Puts a change into a list of objects with IDs. Says whether it was about one of them, or one more.
 * @template {{id: number}} T
 * @param {T[]} list @param {Change} change @param {'agent' | 'device'} kind
 */
export function put(list, { type, data }, kind) {
  if (!type.startsWith(`${kind}.`)) return false;
  const at = list.findIndex(({ id }) => id === data.id);
  if (!data.deleted) {
    if (at < 0) list.push(data);
    else list[at] = data;
  } else if (at >= 0) list.splice(at, 1);
  return at >= 0 || !data.deleted;
}

/**
 * Reads a list whole, with what has changed since the server read it.
 * @param {'agents' | 'devices'} path
 * @returns {Promise<any[]>}
 */
export async function readList(path) {
  let id = '';
  const list = await call('GET', path, { heads: (headers) => (id = headers.get('netignite-event-id') ?? '') });
  for (const change of recent) if (after(change.id, id)) put(list, change, path === 'agents' ? 'agent' : 'device');
  if (id && (!last || after(from, id))) {
    // What happened before the stream begins is not missed either.
    end();
    [last, from] = [id, id];
  }
  begin();
  return list;
}

/** Whether an event came after another, of the same server's life. @param {string} one @param {string} other */
function after(one, other) {
  const [[epoch, number], [its, count]] = [one.split('-'), other.split('-')];
  return epoch === its && Number(number) > Number(count);
}

/** Takes in what the server knows of a device. @param {number} id @param {DevicePresence | null | undefined} presence */
export function see(id, presence) {
  if (presence && (presence.since !== null || !seen.has(id))) seen.set(id, presence);
}

// The stream

/** The last event, or the list after which the stream goes on. */
let last = '';
/** After which event everything is known. */
let from = '';
/** The newest changes. @type {Change[]} */
let recent = [];
/** Changes that are about to be passed on. @type {Change[]} */
let coming = [];
/** @type {AbortController | null} */
let stream = null;
let attempts = 1;
let unseen = false;
/** Whether a list was waited for. */
let waited = false;
/** @type {Record<'begin' | 'grace' | 'unseen' | 'pass', ReturnType<typeof setTimeout> | undefined>} */
const timers = { begin: undefined, grace: undefined, unseen: undefined, pass: undefined };

/** @param {boolean} now */
function setLive(now) {
  clearTimeout(timers.grace);
  timers.grace = undefined;
  if (now === live) return;
  live = now;
  events.dispatchEvent(new CustomEvent('live', { detail: now }));
}

/** @param {Change} change */
function pass(change) {
  if (change.id) recent.push(change);
  if (recent.length > 2 * KEPT) recent = recent.slice(-KEPT);
  if (change.type === 'device.presence') see(change.data.id, change.data.presence);
  coming.push(change);
  timers.pass ??= setTimeout(() => {
    const changes = coming;
    [coming, timers.pass] = [[], undefined];
    for (const follower of followers) follower(changes);
  }, TOGETHER);
}

/** Begins the stream, unless there is one or nobody looks. */
function begin() {
  if (stream || unseen || !session || session.totpSetupRequired) return;
  clearTimeout(timers.begin);
  if (!last && !waited) {
    timers.begin = setTimeout(() => {
      waited = true;
      begin();
    }, FIRST_LIST);
    return;
  }
  stream = new AbortController();
  if (live) timers.grace ??= setTimeout(() => setLive(false), FIRST_GRACE);
  void read(stream);
}

function end() {
  clearTimeout(timers.begin);
  stream?.abort();
  stream = null;
}

/** Has the stream begin after a while: sooner at first. @param {number} [after] */
function beginAgain(after = Math.min(SOON * 2 ** attempts, LATE) * (0.75 + Math.random() / 2)) {
  clearTimeout(timers.begin);
  attempts += 1;
  timers.begin = setTimeout(begin, after);
}

/** One stream, from its beginning to its end. @param {AbortController} own */
async function read(own) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let silence;
  const alive = () => {
    clearTimeout(silence);
    silence = setTimeout(() => own.abort(), SILENCE);
  };
  alive();
  let wait;
  try {
    const headers = last ? { 'last-event-id': last } : undefined;
    const answer = await fetch(address('events'), { headers, signal: own.signal, cache: 'no-store' });
    reach(true);
    if (answer.ok && answer.body) {
      await take(answer.body.pipeThrough(new TextDecoderStream()), alive);
    } else {
      setLive(false);
      wait = await refused(answer);
    }
  } catch {
    // That a stream was cut says nothing of the next one; that none could be begun does.
    if (attempts > 1 && !own.signal.aborted) reach(false);
  }
  clearTimeout(silence);
  if (stream !== own) return;
  stream = null;
  clearTimeout(timers.grace);
  if (live) timers.grace = setTimeout(() => setLive(false), GRACE);
  beginAgain(wait);
}

/** What is to be done where there is no stream: ask again who is signed in, or do without for a while. @param {Response} answer */
async function refused(answer) {
  if (answer.status === 401) {
    await get('auth/session').catch(() => undefined);
    return undefined;
  }
  // Too many streams, or a proxy that passes none: lists are read again instead, now and then.
  attempts = 1;
  pass({ type: 'reset', at: Date.now(), data: null, id: '' });
  return Math.max(5000, 1000 * Number(answer.headers.get('retry-after')));
}

/** @param {ReadableStream<string>} body @param {() => void} alive */
async function take(body, alive) {
  const reader = body.getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    alive();
    attempts = 1;
    setLive(true);
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      let id = '';
      let data = '';
      for (const line of block.split('\n')) {
        if (line.startsWith('id: ')) id = line.slice(4);
        else if (line.startsWith('data: ')) data = line.slice(6);
      }
      if (id) {
        if (!from || block.includes('event: reset\n')) from = id;
        last = id;
      }
      if (data && !block.includes('event: overflow\n')) pass({ ...JSON.parse(data), id });
    }
  }
}

// Looks at devices

/** @type {Set<() => number[]>} */
const watches = new Set();
let looking = false;
let lookAgain = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let lookTimer;

/**
 * Has the devices that `ids` names be looked at now and then, until the function that is given back is called.
 * @param {() => number[]} ids
 */
export function watchDevices(ids) {
  watches.add(ids);
  lookSoon();
  return () => void watches.delete(ids);
}

/** Looks at the devices soon: those that are looked at have changed. */
export function lookSoon() {
  lookAgain = looking;
  if (looking) return;
  clearTimeout(lookTimer);
  lookTimer = setTimeout(look, 50);
}

async function look() {
  const ids = [...new Set([...watches].flatMap((ids) => ids()))].slice(0, MOST_DEVICES);
  if (document.hidden || !session || ids.length === 0) return;
  looking = true;
  try {
    const states = await get('devices/status', { ids: ids.join(',') });
    for (const [key, state] of Object.entries(states)) {
      // What the server says by itself goes by more than one look.
      const id = Number(key);
      if ((seen.get(id)?.since ?? null) === null) seen.set(id, { state, since: null });
    }
    for (const follower of followers) follower([]);
  } catch {
    // What went wrong is shown by whoever shows whether the server answers; the next look says more.
  }
  looking = false;
  clearTimeout(lookTimer);
  lookTimer = setTimeout(look, lookAgain ? 50 : LOOK_EVERY);
  lookAgain = false;
}

// Who is there

let user = session?.userID;
events.addEventListener('session', () => {
  if (session?.userID !== user) {
    user = session?.userID;
    end();
    [last, from, recent, coming, attempts, waited] = ['', '', [], [], 1, false];
    seen.clear();
    wakes.clear();
  }
  begin();
});
events.addEventListener('ended', end);
addEventListener('online', () => beginAgain(0));
addEventListener('offline', () => {
  end();
  reach(false);
  setLive(false);
});
document.addEventListener('visibilitychange', () => {
  clearTimeout(timers.unseen);
  if (document.hidden) {
    timers.unseen = setTimeout(() => {
      unseen = true;
      end();
    }, UNSEEN);
  } else {
    unseen = false;
    begin();
    lookSoon();
  }
});
// A page that reads no list learns of an ended session, too.
begin();
