// Words, times and numbers in the reader's language. Words come from the catalogues in i18n/, which hold the same keys
// in each language; a test compares them with each other and with the keys that the page uses.

/** The languages there are catalogues of, by their own names. */
export const languages = { en: 'English', de: 'Deutsch' };

const stored = localStorage.getItem('language');
const wanted = stored ? [stored] : navigator.languages.map((language) => language.slice(0, 2));
/** The language in use. */
export const language = wanted.find((name) => name in languages) ?? 'en';
// The region decides how times and numbers are written, where it is one of the language.
const locale = navigator.languages.find((name) => name.startsWith(language)) ?? language;

/** @type {Record<string, string>} */
let words = {};

/** Loads the catalogue. Until then no word is known. */
export async function loadWords() {
  const answer = await fetch(new URL(`i18n/${language}.json`, import.meta.url));
  words = await answer.json();
  document.documentElement.lang = language;
}

/**
 * Keeps the language and loads the page anew in it.
 * @param {string} name
 */
export function setLanguage(name) {
  localStorage.setItem('language', name);
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

const plural = new Intl.PluralRules(locale);
const numbers = new Intl.NumberFormat(locale);

/**
 * The text of a key for `n` things: the catalogue has it with `.one` and `.other`.
 * @param {string} key
 * @param {number} n
 * @param {Record<string, unknown>} [values]
 */
export function tn(key, n, values = {}) {
  const form = plural.select(n) === 'one' ? 'one' : 'other';
  return t(`${key}.${form}`, { n: numbers.format(n), ...values });
}

/**
 * A number as people write it.
 * @param {number} n
 */
export const number = (n) => numbers.format(n);

const sizes = /** @type {const} */ (['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte']);

/**
 * A size as people write it.
 * @param {number} n in bytes
 */
export function bytes(n) {
  const at = Math.min(sizes.length - 1, n < 1 ? 0 : Math.floor(Math.log10(n) / 3));
  return new Intl.NumberFormat(locale, { style: 'unit', unit: sizes[at], maximumSignificantDigits: 3 }).format(n / 1000 ** at);
}

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];
const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });

/**
 * How long ago a time is, or how far ahead.
 * @param {number} at in milliseconds since the epoch
 */
export function ago(at, now = Date.now()) {
  const seconds = Math.round((at - now) / 1000);
  if (Math.abs(seconds) < 10) return t('time.now');
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ['second', 1];
  return relative.format(Math.trunc(seconds / size), unit);
}

/**
 * How long something has lasted, short: "3 h", "12 s".
 * @param {number} milliseconds
 */
export function lasting(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ['second', 1];
  return t(`unit.${unit}`, { n: numbers.format(Math.floor(seconds / size)) });
}

const dateTime = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
const exact = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'long' });
const clock = new Intl.DateTimeFormat(locale, {
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

/**
 * Date and time.
 * @param {number} at
 */
export const when = (at) => dateTime.format(at);

/**
 * Date and time to the second, without the year.
 * @param {number} at
 */
export const whenExactly = (at) => clock.format(at);

const hour = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });

/**
 * The time of a day, or the day of a year, for a scale.
 * @param {number} at
 * @param {boolean} days
 */
export const tick = (at, days) => (days ? day : hour).format(at);

/**
 * Date and time with everything, for what is shown when pointed at.
 * @param {number} at
 */
export const whenFully = (at) => exact.format(at);

/**
 * Names joined as a sentence joins them.
 * @param {string[]} names
 */
export const list = (names) => new Intl.ListFormat(locale, { type: 'conjunction' }).format(names);
