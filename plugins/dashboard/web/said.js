// What the server says of operations, in the reader's language. It says it in English, in the words that the English catalogue
// has as `said.…`: by those it is known which of the reader's own to show.
import { language, t } from './ui.js';

/** @type {Record<string, string>} */
const english = language === 'en' ? {} : await fetch(new URL('i18n/en.json', import.meta.url)).then((answer) => answer.json()).catch(() => ({}));

/** A text with placeholders as a pattern. What the agent has said may follow it. @param {string} text */
const pattern = (text) => new RegExp(`^${text.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{(\w+)\}/g, '(?<$1>.+?)')}(?<more>: .*)?$`, 's');

const known = Object.entries(english)
  .filter(([key]) => key.startsWith('said.'))
  .map(([key, text]) => ({ key, pattern: pattern(text) }));

/** The reader's words for what the server has said, if there are some. @param {string} message */
export function inOwnWords(message) {
  for (const { key, pattern } of known) {
    const found = pattern.exec(message);
    if (found) return t(key, found.groups) + (found.groups?.more ?? '');
  }
  return undefined;
}
