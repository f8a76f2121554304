// Operations: what was wanted of agents and devices, and what became of it.
import { html, nothing } from '../vendor/lit.js';
import { get, getPage } from '../api.js';
import { t } from '../i18n.js';
import { live, operationState, reasonOf } from '../operation.js';
import { Page, problem, skeleton, time } from '../ui.js';

/** Operations of a page, and how often live ones are looked at, in milliseconds. */
const PAGE = 50;
const EVERY = 3000;
const STATES = ['live', 'queued', 'running', 'succeeded', 'failed', 'timed_out', 'expired', 'canceled'];
const KINDS = ['wake', 'command'];

/** One line of a list. @param {Operation} operation @param {string} about the name of what it is about */
export const line = (operation, about) =>
  html`<li>
    <div class="what">${operationState(operation)}</div>
    <div class="did"><a href="operations/${operation.id}">${operation.kind === 'wake' ? t('wake') : operation.command}</a>${about ? html` <strong>${about}</strong>` : nothing}
      <span class="quiet">${live(operation) ? nothing : reasonOf(operation)}</span></div>
    <span class="quiet">${time(operation.createdAt)}</span>
  </li>`;

export default class Operations extends Page {
  /** @type {Operation[]} */
  list = [];
  /** @type {Map<string, string>} */
  names = new Map();
  /** @type {string | null} */
  cursor = null;
  busy = false;
  /** What is asked for. The page's address holds it, so that a link shows the same. */
  filter = Object.fromEntries(new URLSearchParams(location.search));
  #timer = /** @type {ReturnType<typeof setInterval> | undefined} */ (undefined);

  /** @override */
  get heading() {
    return t('nav.operations');
  }

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    this.#timer = setInterval(() => {
      if (!document.hidden && this.list.length <= PAGE && this.list.some(live)) void this.reload();
    }, EVERY);
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.#timer);
  }

  get query() {
    const { state, kind, deviceID, agentID } = this.filter;
    return { state, kind, deviceID, agentID, limit: PAGE };
  }

  /** @override */
  async load() {
    const [{ list, cursor }, devices, agents] = await Promise.all([getPage('operations', this.query), get('devices'), get('agents')]);
    [this.list, this.cursor] = [list, cursor];
    this.names = new Map([
      ...devices.map((/** @type {Device} */ { id, name }) => [`device ${id}`, name]),
      ...agents.map((/** @type {Agent} */ { id, name }) => [`agent ${id}`, name]),
    ]);
  }

  more = async () => {
    this.busy = true;
    this.requestUpdate();
    try {
      const { list, cursor } = await getPage('operations', { ...this.query, cursor: this.cursor ?? undefined });
      this.list = [...this.list, ...list];
      this.cursor = cursor;
    } catch (error) {
      this.failure = error;
    }
    this.busy = false;
    this.requestUpdate();
  };

  /** @param {string} name @param {string} value */
  #set(name, value) {
    this.filter = { ...this.filter, [name]: value };
    const kept = new URLSearchParams(Object.entries(this.filter).filter(([, value]) => value));
    history.replaceState(null, '', `operations${kept.size > 0 ? `?${kept}` : ''}`);
    void this.reload();
  }

  /** @param {string} name @param {string[]} values */
  #select(name, values) {
    const change = (/** @type {Event} */ event) => this.#set(name, /** @type {HTMLSelectElement} */ (event.target).value);
    return html`<label class="chip-select"><span class="unseen">${t(`operations.${name}`)}</span>
      <select @change=${change}>
        <option value="">${t(`operations.${name}.all`)}</option>
        ${values.map((value) => html`<option value=${value} ?selected=${this.filter[name] === value}>${t(`operation.${name}.${value}`)}</option>`)}
      </select></label>`;
  }

  /** @override */
  render() {
    return html`<header class="page"><h1 tabindex="-1">${this.heading}</h1></header>
      <search class="filters"><div class="chips">
        ${this.#select('state', STATES)} ${this.#select('kind', KINDS)}
        <button class="chip" @click=${this.reload}>${t('refresh')}</button>
      </div></search>
      ${problem(this.failure, this.reload)} ${this.loaded ? this.#lines() : this.failure ? nothing : skeleton(10)}`;
  }

  #lines() {
    if (this.list.length === 0) return html`<div class="empty small"><p>${t('operations.none')}</p></div>`;
    return html`<div class="rows operations"><ul aria-label=${this.heading}>
        ${this.list.map((one) => line(one, this.names.get(one.deviceID ? `device ${one.deviceID}` : `agent ${one.agentID}`) ?? ''))}
      </ul></div>
      ${this.cursor ? html`<button class=${this.busy ? 'busy' : ''} aria-disabled=${this.busy} @click=${this.more}>${t('showMore')}</button>` : nothing}`;
  }
}
customElements.define('ni-operations', Operations);
