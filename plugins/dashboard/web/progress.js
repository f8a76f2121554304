// How far commands are, as their agents say it while they run. The reports belong to operations: they come with the stream of
// events and are not kept by the server, so that whoever comes later sees the next one.
import { html, nothing } from './vendor/lit.js';
import { ApiError, follow, get, post } from './api.js';
import { live, reasonOf } from './operation.js';
import { has, number, t } from './ui.js';

/** @typedef {{id: string, message: string, done: number | null, total: number | null}} Report */

/** How long the end of a command is waited for until it is asked for, where the stream brings nothing. */
const ASK_EVERY = 3000;

/** The reports of operations that are under way, for a component that shows them: it is drawn anew with each. */
export class Progress {
  /** @type {Map<string, Report>} */
  #reports = new Map();
  #stop = /** @type {() => void} */ (() => undefined);
  #host;

  /** @param {import('./vendor/lit.js').LitElement} host */
  constructor(host) {
    this.#host = host;
    host.addController(this);
  }

  hostConnected() {
    this.#stop = follow(this.#changed);
  }

  hostDisconnected() {
    this.#stop();
    this.#reports.clear();
  }

  /** @param {import('./api.js').Change[]} changes */
  #changed = (changes) => {
    let other = false;
    for (const { type, data } of changes) {
      if (type === 'operation.progress') {
        this.#reports.set(data.id, data);
        other = true;
      } else if (type === 'operation.changed' && !live(data)) {
        other = this.#reports.delete(data.id) || other;
      }
    }
    if (other) this.#host.requestUpdate();
  };

  /** How far an operation is, where something is known of it. @param {string | undefined} id */
  of(id) {
    const report = id === undefined ? undefined : this.#reports.get(id);
    return report ? shown(report) : nothing;
  }
}

/** @param {Report} report */
function shown({ message, done, total }) {
  const known = done !== null && total !== null && total > 0 && done <= total;
  const share = known ? t('progress.of', { done: number(done), total: number(total) }) : '';
  // What an agent says is in its own words; without any, how much of how much.
  const words = message ? html`<span lang="en">${message}</span>` : share;
  return html`<span class="progress">
    ${known ? html`<progress max=${total} .value=${done} aria-label=${t('progress')} aria-valuetext=${share}></progress>` : nothing}
    ${words ? html`<span>${words}</span>` : nothing}
  </span>`;
}

/**
 * Has an agent that is online run a command, as an operation, and waits for its end.
 * @param {number} agent @param {string} command @param {unknown} payload
 * @param {{begun?: (id: string) => void, signal?: AbortSignal}} [options] what is called once it has begun; where it is ended
 * @returns {Promise<Operation>} it has succeeded
 */
export async function run(agent, command, payload, { begun, signal } = {}) {
  /** The operations that have ended meanwhile. @type {Set<string>} */
  const ended = new Set();
  let wake = () => undefined;
  const stop = follow((changes) => {
    for (const { type, data } of changes) if (type === 'operation.changed' && !live(data)) ended.add(data.id);
    wake();
  });
  try {
    /** @type {Operation} */
    let operation = await post('operations', { kind: 'command', agentID: agent, command, payload, queue: false, maxAttempts: 1 });
    const { id } = operation;
    begun?.(id);
    while (live(operation)) {
      if (signal?.aborted) {
        // Where it cannot be ended it goes on, and nobody waits for it.
        await post(`operations/${id}/cancel`).catch(() => undefined);
        throw signal.reason;
      }
      if (!ended.has(id)) {
        await new Promise((resolve) => {
          wake = () => void resolve(undefined);
          signal?.addEventListener('abort', wake, { once: true });
          setTimeout(wake, ASK_EVERY);
        });
        if (signal?.aborted) continue;
      }
      operation = await get(`operations/${id}`);
    }
    if (operation.state === 'succeeded') return operation;
    const { reason, message } = operation;
    // What the agent said of it is in the server's words, where the catalogue only names that it said no.
    const said = reason === 'command_failed' || !reason || !has(`reason.${reason}`) ? message : reasonOf(operation);
    throw new ApiError(0, 'operation_ended_otherwise', said);
  } finally {
    stop();
  }
}
