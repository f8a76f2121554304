// The REST API: one function for every request, the one error that comes of it, and the session. What is not known here
// is how anything looks.
import { has, t } from './i18n.js';

/** Where the API is: below where the page lies, so that both work under a path of a proxy. */
export const base = new URL(document.baseURI);

/** How long an answer may take: a status question waits up to 25 s for the agents. */
const PATIENCE = 40_000;

/** A request that did not succeed, in words for people. */
export class ApiError extends Error {
  /**
   * @param {number} status 0 where there was no answer
   * @param {string} code
   * @param {string} message
   * @param {{field: string, message: string}[]} [fields]
   * @param {number} [retryAfter] in seconds
   */
  constructor(status, code, message, fields = [], retryAfter = 0) {
    // The catalogue's words, in the reader's language, where it has some for this code.
    const key = `error.${code}`;
    super(has(key) ? t(key, { seconds: retryAfter, said: message }) : message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.fields = fields;
    /** What the server said. */
    this.said = message;
  }
}

/**
 * What other parts of the page are to know: `session` (it changed), `ended` (it ended elsewhere), `changed` (something
 * was changed, here or in another tab), `reached` (whether the server answers), `live` (whether the stream of events does).
 */
export const events = new EventTarget();

/** Other tabs of this browser. */
const tabs = new BroadcastChannel('netignite');
tabs.onmessage = ({ data }) => {
  if (data === 'session') void loadSession();
  else events.dispatchEvent(new CustomEvent('changed', { detail: data }));
};

/** @type {Session | null} */
export let session = null;

/** Whether everyone's things are asked for, which admins may. */
export let everyone = sessionStorage.getItem('everyone') === 'true';

/**
 * Asks for everyone's things from now on, or for one's own.
 * @param {boolean} on
 */
export function setEveryone(on) {
  everyone = on;
  sessionStorage.setItem('everyone', String(on));
}

/**
 * Whether the user's role allows something.
 * @param {string} permission
 */
export const may = (permission) => session?.permissions.some((one) => one === permission) ?? false;

/**
 * Where something of the API is.
 * @param {string} path below /api
 * @param {Record<string, string | number | undefined>} query
 */
export function address(path, query = {}) {
  const url = new URL(`api/${path}`, base);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') url.searchParams.set(name, String(value));
  }
  if (everyone && /^(devices|agents|operations|events)\b/.test(path)) url.searchParams.set('adminMode', 'true');
  return url;
}

let reached = true;

/** Says whether the server answers. @param {boolean} now */
export function reach(now) {
  if (now === reached) return;
  reached = now;
  events.dispatchEvent(new CustomEvent('reached', { detail: now }));
}

/**
 * One request. Gives the `data` of its answer; the headers of that, to whoever wants them, go to `heads`.
 * @param {string} method
 * @param {string} path below /api
 * @param {{body?: unknown, query?: Record<string, string | number | undefined>, signal?: AbortSignal, headers?: Record<string, string>, heads?: (headers: Headers) => void}} [options]
 * @returns {Promise<any>}
 */
export async function call(method, path, { body, query = {}, signal, headers = {}, heads } = {}) {
  const limit = AbortSignal.timeout(PATIENCE);
  let answer, text;
  try {
    answer = await fetch(address(path, query), {
      method,
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      cache: 'no-store',
    });
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
    events.dispatchEvent(new Event('ended'));
  }
  if (code === 'totp_setup_required' && session && !session.totpSetupRequired) void loadSession();
  throw error;
}

/** @param {string} path @param {Record<string, string | number | undefined>} [query] */
export const get = (path, query) => call('GET', path, { query });
/** @param {string} path @param {unknown} [body] */
export const post = (path, body) => call('POST', path, { body });
/** @param {string} path @param {unknown} body */
export const put = (path, body) => call('PUT', path, { body });
/** @param {string} path @param {unknown} [body] */
export const remove = (path, body) => call('DELETE', path, { body });

/**
 * Lets this page and other tabs know that something was changed.
 * @param {string} path
 */
function changed(path) {
  const what = path.split('/')[0].replace('shares', 'devices');
  if (what === 'auth' || /^operations|wakeup$|commands\//.test(path)) return;
  events.dispatchEvent(new CustomEvent('changed', { detail: what }));
  tabs.postMessage(what);
}

/**
 * One page of a list that the server pages by its `Link`, and where the next one begins.
 * @param {string} path @param {Record<string, string | number | undefined>} query
 * @returns {Promise<{list: any, cursor: string | null}>}
 */
export async function getPage(path, query) {
  let link = '';
  const list = await call('GET', path, { query, heads: (headers) => (link = headers.get('link') ?? '') });
  const [, next] = /<([^>]*)>;\s*rel="?next"?/.exec(link) ?? [];
  return { list, cursor: next ? new URL(next, base).searchParams.get('cursor') : null };
}

/** Reads who is signed in. */
export async function loadSession() {
  try {
    set(await get('auth/session'));
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    set(null);
  }
}

/** @param {Session | null} now */
function set(now) {
  session = now;
  events.dispatchEvent(new Event('session'));
}

/**
 * Signs in.
 * @param {{username: string, password: string, code?: string}} credentials
 */
export async function signIn(credentials) {
  set(await post('auth/login', credentials));
  tabs.postMessage('session');
}

/** Signs out, here and in the other tabs. */
export async function signOut() {
  setEveryone(false);
  await post('auth/logout');
  set(null);
  tabs.postMessage('session');
}

/**
 * Makes a device a favourite, or none. It is shown as one at once, and as it was where that cannot be kept.
 * @param {number} id
 */
export async function toggleFavorite(id) {
  if (!session) return;
  const before = session.favorites;
  const favorites = before.includes(id) ? before.filter((other) => other !== id) : [...before, id];
  session = { ...session, favorites };
  try {
    await put(`account/${session.userID}`, { username: session.username, favorites });
  } catch (error) {
    if (session) session = { ...session, favorites: before };
    throw error;
  }
}

/**
 * The pages that plugins add to the navigation and who is signed in may open. They lie outside of this application: whoever
 * follows a link to one loads it.
 * @returns {Promise<{href: string, title: string}[]>}
 */
export async function furtherPages() {
  /** @type {Api.NavigationView[]} */
  const pages = await get('navigation');
  return pages.map(({ path, title }) => {
    const key = `further.${path.slice(1)}`;
    return { href: new URL(path.slice(1), base).href, title: has(key) ? t(key) : title };
  });
}
