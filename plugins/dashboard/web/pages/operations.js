// Operations: what was wanted of agents and devices, and what became of it.
import { html, nothing } from '../vendor/lit.js';
import { follow, readList } from '../api.js';
import { FilteredList } from '../filtered-list.js';
import { line } from '../operation.js';
import { getPage } from '../paged.js';
import { Progress } from '../progress.js';
import { icon, problem, skeleton, t } from '../ui.js';

/** Operations of a page. */
const PAGE = 50;
const STATES = ['live', 'queued', 'running', 'succeeded', 'failed', 'timed_out', 'expired', 'canceled'];
const KINDS = ['wake', 'command'];

/** @extends FilteredList<Operation> */
export default class Operations extends FilteredList {
  /** @type {Map<string, string>} */
  names = new Map();
  progress = new Progress(this);
  #stop = /** @type {() => void} */ (() => undefined);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #soon;

  /** @override */
  get heading() {
    return t('nav.operations');
  }

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    const stop = follow(this.#changed);
    this.#stop = () => {
      stop();
      clearTimeout(this.#soon);
    };
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.#stop();
  }

  /** @param {import('../api.js').Change[]} changes */
  #changed = (changes) => {
    if (!this.loaded) return;
    let other = changes.some(({ type }) => type === 'reset');
    for (const { type, data } of changes) {
      if (type !== 'operation.changed') continue;
      const at = this.list.findIndex(({ id }) => id === data.id);
      if (at >= 0) this.list[at] = data;
      // A new one, or one that the filter may no longer let through.
      if (at < 0 || this.filter.state) other = true;
    }
    this.requestUpdate();
    // Whoever has gone on to further pages keeps what is in sight.
    if (!other || this.list.length > PAGE) return;
    clearTimeout(this.#soon);
    this.#soon = setTimeout(this.reload, 300);
  };

  /** @override */
  get path() {
    return 'operations';
  }

  /** @override @param {string} filter */
  label(filter) {
    return t(`operations.${filter}`);
  }

  /** @override @param {string} [cursor] */
  async read(cursor) {
    const { state, kind, deviceID, agentID } = this.filter;
    const { list, cursor: next } = await getPage('operations', { state, kind, deviceID, agentID, limit: PAGE, cursor });
    return { list, next };
  }

  /** @override */
  async load() {
    const [, devices, agents] = await Promise.all([super.load(), readList('devices'), readList('agents')]);
    /** @type {[string, string][]} */
    const named = [
      ...devices.map((/** @type {Device} */ { id, name }) => /** @type {[string, string]} */ ([`device ${id}`, name])),
      ...agents.map((/** @type {Agent} */ { id, name }) => /** @type {[string, string]} */ ([`agent ${id}`, name])),
    ];
    this.names = new Map(named);
  }

  /** @override */
  render() {
    return html`<header class="page"><h1 tabindex="-1">${this.heading}</h1></header>
      <search class="filters"><div class="chips">
        ${this.select('state', STATES, (value) => t(`operation.state.${value}`))}
        ${this.select('kind', KINDS, (value) => t(`operation.kind.${value}`))}
        ${this.#about()}
        <button class="chip" @click=${this.reload}>${t('refresh')}</button>
      </div></search>
      ${problem(this.failure, this.reload)} ${this.loaded ? this.#lines() : this.failure ? nothing : skeleton(10)}`;
  }

  /** What the list is about alone, which can be taken away. */
  #about() {
    const { deviceID, agentID } = this.filter;
    if (!deviceID && !agentID) return nothing;
    const name = this.names.get(deviceID ? `device ${deviceID}` : `agent ${agentID}`) ?? `#${deviceID ?? agentID}`;
    return html`<button class="chip" aria-pressed="true" aria-label=${t('operations.about', { name })} @click=${() => this.set(deviceID ? 'deviceID' : 'agentID', '')}>${name} ${icon('close')}</button>`;
  }

  #lines() {
    if (this.list.length === 0) return html`<div class="empty small"><p>${t('operations.none')}</p></div>`;
    return html`<div class="rows operations"><ul aria-label=${this.heading}>
        ${this.list.map((one) => line(one, this.names.get(one.deviceID ? `device ${one.deviceID}` : `agent ${one.agentID}`) ?? '', this.progress))}
      </ul></div>
      ${this.showMore()}`;
  }
}
customElements.define('ni-operations', Operations);
