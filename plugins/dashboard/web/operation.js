// What is shown of an operation wherever it is shown: its state, why it ended so, its trail.
import { html, nothing } from './vendor/lit.js';
import { inOwnWords } from './said.js';
import { has, language, lasting, state, t, time } from './ui.js';

/** Whether an operation goes on. @param {Operation} operation */
export const live = ({ state }) => state === 'queued' || state === 'running';

const SHAPES = /** @type {const} */ ({
  queued: 'busy',
  running: 'busy',
  succeeded: 'online',
  failed: 'failed',
  timed_out: 'failed',
  expired: 'failed',
  canceled: 'unknown',
});

/** @param {Operation} operation */
export const operationState = ({ state: now }) => state(SHAPES[now], t(`operation.state.${now}`));

/** Why it ended as it did and what to do, in the reader's language where there are words. @param {Operation} operation */
export const reasonOf = ({ reason, message }) => (reason && has(`reason.${reason}`) ? t(`reason.${reason}`) : (inOwnWords(message) ?? message));

/** A line of a trail; in the server's words where there are no others. @param {string} message */
const said = (message) => {
  const own = inOwnWords(message);
  return html`<span lang=${own ? language : 'en'}>${own ?? message}</span>`;
};

/** What happened, in order, by the time since it was asked for. @param {Operation} operation */
export const trail = ({ trail = [], createdAt }) =>
  html`<ol class="trail">
    ${trail.map(({ at, message }) => html`<li><span class="quiet">${at - createdAt < 500 ? '0' : `+${lasting(at - createdAt)}`}</span>${said(message)}</li>`)}
  </ol>`;

/** What an operation does, in words where there are some. @param {Operation} operation */
export function operationName({ kind, command }) {
  if (kind === 'wake') return t('wake');
  const known = [`power.${command.toLowerCase()}`, `command.${command}`].find(has);
  return known ? t(known) : command;
}

/**
 * One line of a list.
 * @param {Operation} operation @param {string} about the name of what it is about
 * @param {import('./progress.js').Progress} progress how far those under way are
 */
export const line = (operation, about, progress) =>
  html`<li>
    <div class="what">${operationState(operation)}</div>
    <div class="did"><a href="operations/${operation.id}">${operationName(operation)}</a>${about ? html` <strong>${about}</strong>` : nothing}
      <span class="quiet">${live(operation) ? progress.of(operation.id) : reasonOf(operation)}</span></div>
    <span class="quiet">${time(operation.createdAt)}</span>
  </li>`;
