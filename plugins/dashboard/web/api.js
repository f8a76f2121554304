// The server: its REST API, by one function for every request and with one error; who is signed in; and what changes by itself,
// which the stream of events brings. That goes on after the event that a list names, so that nothing is missed between the two;
// where the server no longer knows what followed, pages are asked to read again. One that is cut comes back by itself, and until
// then the page says that it is not live. All of it is in one module since the first screen needs it, and a module is a request.

/** Where the API is: below where the page lies, so that both work under a path of a proxy. */
export const base = new URL(document.baseURI);

const PATIENCE = 40_000; // for an answer, in milliseconds: a status question waits up to 25 s for the agents

/** A request that did not succeed. Its message is the server's; `say` in `ui.js` has the reader's words. */
export class ApiError extends Error {
  /**
   * @param {number} status 0 where there was no answer
   * @param {string} code
   * @param {string} message
   * @param {{field: string, message: string}[]} [fields]
   * @param {number} [retryAfter] in seconds
   */
  constructor(status, code, message, fields = [], retryAfter = 0) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.fields = fields;
    this.retryAfter = retryAfter;
  }
}

/**
 * What other parts of the page are to know: `session` (it changed), `ended` (it ended elsewhere), `changed` (something was
 * changed, here or in another tab), `wakes` (one of them did), `reached` and `live` (whether the server answers, and streams).
 */
export const events = new EventTarget();

/** @param {string} name @param {unknown} [detail] */
const emit = (name, detail) => events.dispatchEvent(new CustomEvent(name, { detail }));

/** Other tabs of this browser. */
const tabs = new BroadcastChannel('netignite');
tabs.onmessage = ({ data }) => {
  if (data === 'session') void loadSession();
  else emit('changed', data);
};

/** @type {Session | null} */
export let session = null;

/** Whether everyone's things are asked for, which admins may. */
export let everyone = sessionStorage.getItem('everyone') === 'true';

/** @param {string} permission */
export const may = (permission) => session?.permissions.some((one) => one === permission) ?? false;

/** @typedef {Record<string, string | number | undefined>} Query */

/** Where something of the API is. @param {string} path below /api @param {Query} query */
function address(path, query = {}) {
  const url = new URL(`api/${path}`, base);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') url.searchParams.set(name, String(value));
  }
  if (everyone && /^(devices|agents|operations|events)\b/.test(path)) url.searchParams.set('adminMode', 'true');
  return url;
}

let reached = true;

/** Says whether the server answers. @param {boolean} now */
function reach(now) {
  if (now === reached) return;
  reached = now;
  emit('reached', now);
}

/**
 * One request, unless it is `sent` already. Gives the `data` of its answer, whose headers go to `heads` where those are wanted.
 * @param {string} method
 * @param {string} path below /api
 * @param {{body?: unknown, query?: Query, signal?: AbortSignal, headers?: Record<string, string>, heads?: (headers: Headers) => void, sent?: Promise<Response>}} [options]
 * @returns {Promise<any>}
 */
export async function call(method, path, { body, query = {}, signal, headers = {}, heads, sent } = {}) {
  const limit = AbortSignal.timeout(PATIENCE);
  let answer, text;
  try {
    answer = await (sent ?? fetch(address(path, query), {
      method,
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      cache: 'no-store',
    }));
    text = await answer.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    reach(false);
    throw new ApiError(0, 'unreachable', 'The server does not answer.');
  }
  reach(true);
  let envelope;
  try {
    envelope = JSON.parse(text);
  } catch {
    throw new ApiError(answer.status, 'no_envelope', `The answer (HTTP ${answer.status}) is not the server's.`);
  }
  if (answer.ok) {
    heads?.(answer.headers);
    if (method !== 'GET') changed(path);
    return envelope.data;
  }
  const { code = '', message = '', errors = [] } = envelope;
  const error = new ApiError(answer.status, code, message, errors, Number(answer.headers.get('retry-after')));
  if (answer.status === 401 && session && /^(No session found|Invalid session)$/.test(message)) {
    session = null;
    emit('ended');
  }
  if (code === 'totp_setup_required' && session && !session.totpSetupRequired) void loadSession();
  throw error;
}

/** @param {string} path @param {Query} [query] */
export const get = (path, query) => call('GET', path, { query });
/** @param {string} path @param {unknown} [body] */
export const post = (path, body) => call('POST', path, { body });
/** @param {string} path @param {unknown} body */
export const put = (path, body) => call('PUT', path, { body });
/** @param {string} path @param {unknown} [body] */
export const remove = (path, body) => call('DELETE', path, { body });

/** Lets this page and other tabs know that something was changed. @param {string} path */
function changed(path) {
  const what = path.split('/')[0].replace('shares', 'devices');
  if (/^auth\/log/.test(path)) tabs.postMessage('session');
  if (path === 'auth/logout') session = null; // of whose end nobody need be warned
  if (what === 'auth' || /^operations|wakeup$|commands\//.test(path)) return;
  emit('changed', what);
  tabs.postMessage(what);
}

/** Reads who is signed in. */
export async function loadSession() {
  try {
    session = await get('auth/session');
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    session = null;
  }
  emit('session');
}

// What changes by itself

// In milliseconds: after how long without a sign of life the stream counts as cut, of which the server gives one every 15 s;
const SILENCE = 40_000;
// how long a cut stream may take to come back before the page says so, and the first answer of one;
const [GRACE, FIRST_GRACE] = [1000, 5000];
// how long after a cut the next attempt comes, at first and at most;
const [SOON, LATE] = [250, 15_000];
// how long a page's list is waited for, which names where the stream goes on;
const FIRST_LIST = 1500;
// within what changes are passed on together.
const TOGETHER = 40;
const KEPT = 1000; // changes that are kept for lists that are being read

/**
 * Something that changed: what the stream brought. After `reset` lists are to be read again.
 * @typedef {{type: string, at: number, data: any, id: string}} Change
 * @typedef {{state: DevicePresence['state'], since: number | null}} Seen
 */

/** What was seen last of devices, by ID; agents have IDs of their own. @type {Map<number, Seen>} */
export const seen = new Map();

/** The last wake of each device, by its ID. @type {Map<number, import('./wake.js').Wake>} */
export const wakes = new Map();

/** Whether what is shown is as the server has it, within a second. */
export let live = true;

const followers = /** @type {Set<(changes: Change[]) => void>} */ (new Set());

/** Calls back with what changed, until the function that is given back is called. @param {(changes: Change[]) => void} follower */
export function follow(follower) {
  followers.add(follower);
  begin();
  return () => void followers.delete(follower);
}

/** Calls back everyone who follows. @param {Change[]} changes none where only what was seen has changed */
export function tell(changes) {
  for (const follower of followers) follower(changes);
}

/**
 * Puts a change into a list of objects with IDs. Says whether it was about one of them, or one more.
 * @template {{id: number}} T
 * @param {T[]} list @param {Change} change @param {'agent' | 'device'} kind
 */
export function apply(list, { type, data }, kind) {
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
  const query = { presence: path === 'devices' ? 'true' : undefined };
  const list = await call('GET', path, { query, heads: (headers) => (id = headers.get('netignite-event-id') ?? '') });
  if (path === 'devices') for (const { id, presence } of list) if (presence?.since ?? presence?.checkedAt) see(id, presence);
  for (const change of recent) if (after(change.id, id)) apply(list, change, path === 'agents' ? 'agent' : 'device');
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

let last = ''; // the last event, or the list after which the stream goes on
let from = ''; // after which event everything is known
let recent = /** @type {Change[]} */ ([]);
let coming = /** @type {Change[]} */ ([]); // those that are about to be passed on
let stream = /** @type {AbortController | null} */ (null);
let attempts = 1;
let wanted = false; // whether anybody follows, or wants to know when the session ends
let unseen = false; // whether nobody looks at the page
const timers = /** @type {Record<'begin' | 'grace' | 'pass', ReturnType<typeof setTimeout> | undefined>} */ ({});

/** @param {boolean} now */
function setLive(now) {
  clearTimeout(timers.grace);
  timers.grace = undefined;
  if (now === live) return;
  live = now;
  emit('live', now);
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
    tell(changes);
  }, TOGETHER);
}

/** Begins the stream, unless there is one or nobody looks. @param {boolean} [now] without waiting for a list */
export function begin(now = false) {
  wanted = true;
  if (stream || unseen || !session || session.totpSetupRequired) return;
  clearTimeout(timers.begin);
  if (!last && !now) {
    timers.begin = setTimeout(() => begin(true), FIRST_LIST);
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
    const answer = await fetch(address('events'), { headers: last ? { 'last-event-id': last } : {}, signal: own.signal, cache: 'no-store' });
    reach(true);
    if (answer.ok && answer.body) {
      await take(answer.body.pipeThrough(new TextDecoderStream()), alive);
    } else {
      setLive(false);
      if (answer.status === 401) await get('auth/session').catch(() => undefined);
      else wait = instead(Number(answer.headers.get('retry-after')));
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

/** Too many streams, or a proxy that passes none: lists are read again instead, now and then. @param {number} after in seconds */
function instead(after) {
  attempts = 1;
  pass({ type: 'reset', at: Date.now(), data: null, id: '' });
  return Math.max(5000, 1000 * after);
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

/** Whether anybody looks at the page: else it needs no stream. @param {boolean} now */
export function looked(now) {
  unseen = !now;
  (now ? begin : end)();
}

addEventListener('online', () => beginAgain(0));
addEventListener('offline', () => {
  end();
  reach(false);
  setLive(false);
});

let user = /** @type {number | undefined} */ (undefined);
events.addEventListener('session', () => {
  // Of whoever is signed in at first, lists may have come before it was known who that is.
  if (user && session?.userID !== user) {
    end();
    [last, from, recent, coming, attempts] = ['', '', [], [], 1];
    everyone = false;
    sessionStorage.removeItem('everyone');
    seen.clear();
    wakes.clear();
  }
  user = session?.userID;
  if (wanted) begin();
});
events.addEventListener('ended', end);

/** What the application's first screen asks for while the modules that show it are still on their way. */
export const early = document.documentElement.hasAttribute('data-app') && !window.signingIn
  ? { session: loadSession(), lists: localStorage.getItem('known') === location.pathname ? Promise.all([readList('devices'), readList('agents')]) : null }
  : null;
for (const coming of [early?.session, early?.lists]) coming?.catch(() => undefined);
