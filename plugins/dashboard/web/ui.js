// What every page is made of: words, times and numbers in the reader's language, icons, states, errors, notices, and the base of
// a page. Words come from the catalogues in i18n/, which hold the same keys in each language; a test compares them with each
// other and with the keys that the page uses. These are one module since the first screen needs them all.
import { LitElement, html, nothing, render, svg } from './vendor/lit.js';
import { ApiError, base } from './api.js';

/** The languages there are catalogues of, by their own names. */
export const languages = { en: 'English', de: 'Deutsch' };

/**
 * Keeps what the reader has chosen: in this browser, and in a cookie, by which the document comes in it from the first moment.
 * @param {string} name @param {string} value
 */
export function keep(name, value) {
  localStorage.setItem(name, value);
  document.cookie = `netignite_${name}=${value}; Path=${base.pathname}; Max-Age=31536000; SameSite=Lax`;
}

const stored = localStorage.getItem('language');
if (stored) keep('language', stored);
const wanted = stored ? [stored] : navigator.languages.map((language) => language.slice(0, 2));
/** The language in use. */
export const language = wanted.find((name) => name in languages) ?? 'en';
// The region decides how times and numbers are written, where it is one of the language.
export const locale = navigator.languages.find((name) => name.startsWith(language)) ?? language;

/** @type {Record<string, string>} */
let words = {};

const askForWords = async () => (await fetch(new URL(`i18n/${language}.json`, import.meta.url))).json();
// While the modules after this one are still on their way.
const coming = askForWords();
coming.catch(() => undefined);

/** Waits for the catalogue, and asks for it again where it did not come. Until then no word is known. */
export async function loadWords() {
  words = await coming.catch(askForWords);
  document.documentElement.lang = language;
}

/**
 * Keeps the language and loads the page anew in it.
 * @param {string} name
 */
export function setLanguage(name) {
  keep('language', name);
  location.reload();
}

/**
 * The text of a key, with its placeholders filled in.
 * @param {string} key
 * @param {Record<string, unknown>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/**
 * Whether there is a text for a key.
 * @param {string} key
 */
export function has(key) {
  return key in words;
}

/**
 * What is made when it is first wanted: writing times and numbers takes the browser a while to prepare.
 * @template T
 * @param {() => T} make @returns {() => T}
 */
const once = (make) => {
  /** @type {T | undefined} */
  let made;
  return () => (made ??= make());
};

const plural = once(() => new Intl.PluralRules(locale));
const numbers = once(() => new Intl.NumberFormat(locale));

/**
 * The text of a key for `n` things: the catalogue has it with `.one` and `.other`.
 * @param {string} key
 * @param {number} n
 * @param {Record<string, unknown>} [values]
 */
export function tn(key, n, values = {}) {
  const form = plural().select(n) === 'one' ? 'one' : 'other';
  return t(`${key}.${form}`, { n: number(n), ...values });
}

/**
 * A number as people write it.
 * @param {number} n
 */
export const number = (n) => (Number.isInteger(n) && n >= 0 && n < 1000 ? String(n) : numbers().format(n));

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];
const relative = once(() => new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }));

/**
 * How long ago a time is, or how far ahead.
 * @param {number} at in milliseconds since the epoch
 */
export function ago(at, now = Date.now()) {
  const seconds = Math.round((at - now) / 1000);
  if (Math.abs(seconds) < 10) return t('time.now');
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ['second', 1];
  return relative().format(Math.trunc(seconds / size), unit);
}

/**
 * How long something has lasted, short: "3 h", "12 s".
 * @param {number} milliseconds
 */
export function lasting(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ['second', 1];
  return t(`unit.${unit}`, { n: number(Math.floor(seconds / size)) });
}

/** @param {Intl.DateTimeFormatOptions} options */
const format = (options) => {
  const made = once(() => new Intl.DateTimeFormat(locale, options));
  return (/** @type {number} */ at) => made().format(at);
};

/** Date and time. */
export const when = format({ dateStyle: 'medium', timeStyle: 'short' });
/** Date and time to the second, without the year. */
export const whenExactly = format({ month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit' });
/** Date and time with everything, for what is pointed at. */
export const whenFully = format({ dateStyle: 'full', timeStyle: 'long' });
const hour = format({ hour: '2-digit', minute: '2-digit' });
const day = format({ day: 'numeric', month: 'short' });
const weekday = format({ weekday: 'long' });
const date = format({ dateStyle: 'medium' });

/** When something was, as short as it is clear: "14:20", "yesterday", "Tuesday", "3 May", "3 May 2025". @param {number} at */
function dayOf(at, now = Date.now()) {
  const [then, today] = [new Date(at), new Date(now)];
  const days = Math.round((today.setHours(0, 0, 0, 0) - then.setHours(0, 0, 0, 0)) / 86_400_000);
  if (days <= 0) return hour(at);
  if (days === 1) return relative().format(-1, 'day');
  if (days < 7) return weekday(at);
  return (then.getFullYear() === today.getFullYear() ? day : date)(at);
}

/** The time of a day, or the day of a year, for a scale. @param {number} at @param {boolean} days */
export const tick = (at, days) => (days ? day : hour)(at);

/** Names joined as a sentence joins them. @param {string[]} names */
export const list = (names) => new Intl.ListFormat(locale, { type: 'conjunction' }).format(names);

// Parts

/** Icons: paths on a grid of 24, drawn with one stroke. */
const ICONS = /** @type {const} */ ({
  devices: 'M3 5h14v9H3zM8 18h4m-2-4v4M19 8h2v11h-5v-3',
  agents: 'M12 13v7m-4 0h8M12 9.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3M8.5 14.5a5 5 0 1 1 7 0M5.6 17.4a9 9 0 1 1 12.8 0',
  operations: 'M4 12h4l2.5-7 4 14 2.5-7h3',
  users: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7m-6 9c0-4 2.5-6 6-6s6 2 6 6M16 4.5a3.5 3.5 0 0 1 0 6.5m2 3.5c2 .8 3 2.7 3 5.5',
  page: 'M5 17.5V6a2 2 0 0 1 2-2h12v16H7.5A2.5 2.5 0 0 1 5 17.5 2.5 2.5 0 0 1 7.5 15H19M9 8h6',
  audit: 'M6 3h9l4 4v14H6zM14 3v5h5M9 12h7m-7 4h7',
  server: 'M4 4h16v7H4zm0 9h16v7H4zM8 7.5h.01M8 16.5h.01M12 7.5h5m-5 9h5',
  account: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8m-8 9c0-4.5 3-7 8-7s8 2.5 8 7',
  search: 'M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13m5-1.5L21 21',
  power: 'M12 3v8m5.7-4.7a8 8 0 1 1-11.4 0',
  star: 'm12 3.5 2.7 5.6 6.1.8-4.5 4.2 1.2 6.1L12 17.2l-5.5 3 1.2-6.1L3.2 9.9l6.1-.8z',
  plus: 'M12 5v14M5 12h14',
  close: 'm6 6 12 12M18 6 6 18',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  check: 'm5 12.5 4.5 4.5L19 7.5',
  back: 'm15 5-7 7 7 7',
  edit: 'm4 20 1-4L16.5 4.5l3 3L8 19zm10.5-13.5 3 3',
  trash: 'M4 7h16M9 7V4h6v3m3 0-1 13H7L6 7m4 4v5m4-5v5',
  share: 'M6 14.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5m11-5.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5m0 11a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5M8.3 10.9l6.4-3.2m-6.4 5.4 6.4 3.2',
  key: 'M8 19a4 4 0 1 0 0-8 4 4 0 0 0 0 8m3-7 8-8m-3 3 3 3m-6 0 2 2',
  warn: 'M12 4 2.5 20h19zm0 6v5m0 2.5v.01',
  again: 'M19.5 12a7.5 7.5 0 1 1-2.2-5.3L19.5 9M19.5 4v5h-5',
  moon: 'M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5',
  out: 'M14 4H5v16h9m-4-8h11m-4-4 4 4-4 4',
  desktop: 'M3 5h18v11H3zm9 11v4m-4 0h8',
  laptop: 'M5 5h14v10H5zM2 19h20',
  printer: 'M7 9V4h10v5M5 9h14v8h-3v3H8v-3H5zm3 5h8',
  nas: 'M6 3h12v18H6zm3 4h6m-6 4h6m-3 6h.01',
  chip: 'M7 7h10v10H7zM10 3v4m4-4v4m-4 10v4m4-4v4M3 10h4m-4 4h4m10-4h4m-4 4h4',
  more: 'M4.6 12a.4.4 0 1 0 .8 0 .4.4 0 1 0-.8 0m7 0a.4.4 0 1 0 .8 0 .4.4 0 1 0-.8 0m7 0a.4.4 0 1 0 .8 0 .4.4 0 1 0-.8 0',
});

/** @typedef {keyof typeof ICONS} IconName */

/**
 * An icon. It says nothing: what it stands for is said beside it.
 * @param {IconName} name
 */
export const icon = (name) =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">${svg`<path d=${ICONS[name]} />`}</svg>`;

/** The brand's mark. */
export const brand = html`<svg class="brand-mark" viewBox="0 0 32 32" aria-hidden="true">
  <rect width="32" height="32" rx="8" />
  <path d="M21.7 10.3a8 8 0 1 1-11.4 0M16 6.5v9" />
</svg>`;

/** The icon of a device's type. @param {string} type @returns {IconName} */
export const deviceIcon = (type) => (type in ICONS ? /** @type {IconName} */ (type) : 'server');

/**
 * A state by colour, shape and word.
 * @param {'online' | 'offline' | 'unknown' | 'busy' | 'failed'} kind
 * @param {unknown} words
 */
export const state = (kind, words) => html`<span class="state ${kind}"><span>${words}</span></span>`;

// The exact time is for whoever points at one, and is made then.
document.addEventListener('pointerover', ({ target }) => {
  const time = /** @type {Element} */ (target).closest?.('time');
  if (time) time.title = whenFully(Date.parse(time.dateTime));
});

/** A time, relative, with the exact one for whoever points at it. @param {number | null} at */
export const time = (at) =>
  at === null
    ? html`<span class="quiet">${t('time.never')}</span>`
    : html`<time datetime=${new Date(at).toISOString()}>${ago(at)}</time>`;

/**
 * A state with how long it has lasted, or what it has been offline since; exactly for whoever points at it.
 * @param {'online' | 'offline' | 'unknown' | 'busy'} kind @param {string} words @param {number | null} [since]
 */
const lasted = (kind, words, since = null) => {
  if (since === null) return state(kind, words);
  const time = kind === 'offline' ? t('state.since', { when: dayOf(since) }) : `· ${lasting(Date.now() - since)}`;
  return state(kind, html`${words} <time class="quiet" datetime=${new Date(since).toISOString()}>${time}</time>`);
};

/** Whether an agent is connected, and since when. @param {Presence | null | undefined} presence */
export const presenceState = (presence) => lasted(presence?.state ?? 'offline', t(`state.${presence?.state ?? 'offline'}`), presence?.since);

/**
 * Whether a device is up, and since when where that is known.
 * @param {import('./api.js').Seen | undefined} seen
 * @param {string} [unknown] what is said where nobody can tell
 */
export function seenState(seen, unknown = t('state.unknown')) {
  if (!seen) return state('unknown', t('state.looking'));
  if (seen.state === 'waking' || seen.state === 'stopping') return lasted('busy', t(`state.${seen.state}`), seen.since);
  return seen.state === 'unknown' ? state('unknown', unknown) : lasted(seen.state, t(`state.${seen.state}`), seen.since);
}

/**
 * What an error says.
 * @param {unknown} error
 * @returns {string}
 */
export function say(error) {
  if (error instanceof ApiError) {
    const { code, message, fields, retryAfter } = error;
    // The catalogue's words, where it has some for this code.
    if (fields.length === 0) return has(`error.${code}`) ? t(`error.${code}`, { seconds: retryAfter, said: message }) : message;
    return fields.map(({ field, message }) => (field ? `${field}: ${message}` : message)).join('; ');
  }
  return t('error.page', { what: error instanceof Error ? error.message : String(error) });
}

/** @param {unknown} error @param {() => void} [again] */
export const problem = (error, again) =>
  error
    ? html`<div class="problem" role="alert">
        ${icon('warn')}
        <p>${say(error)}</p>
        ${again ? html`<button class="small" @click=${again}>${t('again')}</button>` : nothing}
      </div>`
    : nothing;

/** Lines that keep the place of what is loading. @param {number} lines */
export const skeleton = (lines) =>
  html`<div class="skeleton" role="group" aria-busy="true" aria-label=${t('loading')}>
    ${Array.from({ length: lines }, () => html`<span></span>`)}
  </div>`;

/**
 * Says something to who does not see it change.
 * @param {string} words
 */
export function announce(words) {
  const region = document.getElementById('announcements');
  if (region) region.textContent = words;
}

/**
 * Shows a notice for some seconds.
 * @param {string} words
 * @param {{kind?: 'done' | 'failed', action?: string, act?: () => void}} [options]
 */
export function notify(words, { kind = 'done', action, act } = {}) {
  const region = document.getElementById('notices');
  if (!region) return;
  const notice = document.createElement('div');
  notice.className = `notice ${kind}`;
  const gone = () => notice.remove();
  render(
    html`${icon(kind === 'done' ? 'check' : 'warn')}<span>${words}</span> ${action
        ? html`<button class="small plain" @click=${() => (gone(), act?.())}>${action}</button>`
        : nothing}<button class="icon-only" aria-label=${t('close')} @click=${gone}>${icon('close')}</button>`,
    notice,
  );
  region.append(notice);
  // The last dialog hides what lies under it: notices go above.
  if (region.isConnected && 'showPopover' in region) {
    region.hidePopover();
    region.showPopover();
  }
  setTimeout(gone, kind === 'done' && !action ? 6000 : 15_000);
}

/** Shows what went wrong as a notice. @param {unknown} error */
export const notifyError = (error) => notify(say(error), { kind: 'failed' });

/** A component rendered into the document itself, so that labels and styles work as everywhere. */
export class Part extends LitElement {
  /** @override */
  createRenderRoot() {
    return this;
  }
}

/** A page: reads what it shows, says what went wrong, and reads again when asked. */
export class Page extends Part {
  /** The values of the path's placeholders. @type {Record<string, string>} */
  params = {};
  /** The lists that its line in the list of pages names, if they were asked for before it was there. @type {Promise<any[][]> | null} */
  ahead = null;
  /** @type {unknown} */
  failure = null;
  loaded = false;

  /** The page's title. @returns {string} */
  get heading() {
    return '';
  }

  /** Reads what the page shows. @returns {Promise<void>} */
  load() {
    return Promise.resolve();
  }

  /** What the page shows once it has it. @returns {unknown} */
  content() {
    return nothing;
  }

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    void this.reload();
  }

  reload = async () => {
    try {
      await this.load();
      this.failure = null;
      this.loaded = true;
    } catch (error) {
      this.failure = error;
    }
    this.ahead = null;
    // The heading of what is loading gives way to the one of what is there, and its focus goes with it.
    const focused = document.activeElement?.tagName === 'H1' && this.contains(document.activeElement);
    this.requestUpdate();
    this.dispatchEvent(new Event('heading'));
    await this.updateComplete;
    if (focused) this.querySelector('h1')?.focus({ preventScroll: true });
  };

  /** @override */
  render() {
    if (this.loaded) return html`${problem(this.failure, this.reload)}${this.content()}`;
    return this.failure
      ? html`<h1 tabindex="-1">${this.heading}</h1>
          ${problem(this.failure, this.reload)}`
      : html`<h1 tabindex="-1">${this.heading}</h1>
          ${skeleton(6)}`;
  }
}
