// Devices: who is up, and waking them. Only the rows in sight are in the document, so that a list of ten thousand
// scrolls and is searched as fast as one of ten.
import { html, nothing, repeat } from '../vendor/lit.js';
import { apply, events, follow, live, may, readList, seen, session, wakes } from '../api.js';
import { Page, deviceIcon, icon, notify, notifyError, number, problem, seenState, skeleton, state, t, tn } from '../ui.js';

const LOWEST = 48; // how high a row is at least, in pixels
/** Rows beyond those in sight, so that scrolling shows no gaps. */
const MARGIN = 12;
const FEW = 100; // devices that are looked at all together; of more, those in sight
/** How long devices are not looked at of which something is known, so that what one came for is there first. In milliseconds. */
const LATER = 2000;
/** How long the row shows what a wake came to, in milliseconds. */
const REMEMBERED = 600_000;
const FILTERS = ['all', 'online', 'offline', 'favorites'];

/** What a name is sorted by: without case and accents, numbers by what they are worth. A collator takes browsers long to prepare. */
const sortKey = (/** @type {string} */ name) =>
  name.normalize('NFD').replace(/[\u0300-\u036f]/g, '').toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, '0'));

/** @typedef {{device: Device, agent: string, text: string, key: string}} Row */

export default class Devices extends Page {
  /** @type {Device[]} */
  #devices = [];
  /** @type {Row[]} */
  rows = [];
  /** The rows that the filters let through. @type {Row[]} */
  shown = [];
  agents = /** @type {Map<number, Agent>} */ (new Map());
  selected = /** @type {Set<number>} */ (new Set());
  /** What is shown where there is nothing yet. @type {unknown} */
  steps = nothing;
  text = '';
  filter = 'all';
  agent = '';
  filtered = false; // whether anything was looked for, which is announced
  from = 0;
  to = 40;
  #stop = /** @type {(() => void)[]} */ ([]);

  /** @override */
  get heading() {
    return t('nav.devices');
  }

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    const update = () => this.requestUpdate();
    const again = (/** @type {Event} */ event) => {
      if (!live && /^(devices|agents)/.test(String(/** @type {CustomEvent} */ (event).detail))) void this.reload();
    };
    const second = setInterval(() => {
      const waking = (/** @type {Row} */ { device: { id } }) => seen.get(id)?.state === 'waking' || seen.get(id)?.state === 'stopping';
      if ([...wakes.values()].some(({ underWay }) => underWay) || this.shown.slice(this.from, this.to).some(waking)) update();
    }, 1000);
    const gone = new AbortController();
    const { signal } = gone;
    addEventListener('scroll', this.#scrolled, { passive: true, signal });
    addEventListener('resize', this.#scrolled, { signal });
    addEventListener('keydown', this.#slash, { signal });
    events.addEventListener('wakes', update, { signal });
    events.addEventListener('changed', again, { signal });
    this.#stop = [follow(this.#changed), () => clearInterval(second), () => gone.abort()];
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    for (const stop of this.#stop) stop();
    clearTimeout(this.#still);
    this.#watched = false;
  }

  /** @override */
  async load() {
    const [devices, agents] = await (this.ahead ?? Promise.all([readList('devices'), readList('agents')]));
    this.#devices = devices;
    this.agents = new Map(agents.map((/** @type {Agent} */ agent) => [agent.id, agent]));
    if (devices.length === 0) await this.#first();
    this.#fill();
    this.#look(LATER);
  }

  /** Makes what is shown where there is nothing yet. */
  async #first() {
    const { FirstSteps } = await import('../first-steps.js');
    this.steps = Object.assign(new FirstSteps(), { agents: this.agents, add: this.add });
  }

  /** @param {import('../api.js').Change[]} changes */
  #changed = (changes) => {
    if (!this.loaded) return;
    if (changes.some(({ type }) => type === 'reset')) void this.reload();
    let other = false;
    for (const change of changes) {
      const { type, data } = change;
      if (type.startsWith('agent.')) {
        other ||= type === 'agent.changed';
        if (data.deleted) this.agents.delete(data.id);
        else this.agents.set(data.id, data);
      } else if (type === 'device.changed') {
        other = true;
        apply(this.#devices, change, 'device');
        if (data.deleted) this.selected.delete(data.id);
      }
    }
    if (other) this.#fill();
    if (this.rows.length === 0 && changes.length > 0) void this.#first().then(() => this.requestUpdate());
    else if (this.filter === 'online' || this.filter === 'offline') this.#choose();
    this.requestUpdate();
    if (other) this.#lookOnceStill();
  };

  /** Makes the rows of the devices. */
  #fill() {
    const name = (/** @type {Device} */ { shared, ownerName, agentID }) =>
      shared ? t('device.sharedBy', { name: ownerName }) : (this.agents.get(agentID ?? 0)?.name ?? '');
    this.rows = this.#devices
      .map((device) => {
        const agent = name(device);
        const { description, macAddress, address } = device;
        const text = [device.name, agent, description, macAddress, address].filter(Boolean).join('\n').toLowerCase();
        return { device, agent, text, key: sortKey(device.name) };
      })
      .sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)));
    this.#choose();
  }

  /** Which rows the filters let through. */
  #choose() {
    const words = this.text.toLowerCase().split(/\s+/).filter(Boolean);
    const favorites = new Set(session?.favorites);
    this.shown = this.rows.filter(({ device, text }) => {
      if (this.agent && String(device.agentID) !== this.agent) return false;
      if (this.filter === 'favorites' && !favorites.has(device.id)) return false;
      if ((this.filter === 'online' || this.filter === 'offline') && seen.get(device.id)?.state !== this.filter) return false;
      return words.every((word) => text.includes(word));
    });
    this.#measure();
  }

  /** Which rows are in sight. Says whether they are others than before. */
  #measure() {
    const list = /** @type {HTMLElement | null} */ (this.querySelector('.rows'));
    const height = list ? this.#rowHeight() : LOWEST;
    const above = list ? Math.max(0, -list.getBoundingClientRect().top) : 0;
    const from = Math.max(0, Math.min(Math.floor(above / height) - MARGIN, this.shown.length));
    const to = Math.min(this.shown.length, Math.ceil((above + innerHeight) / height) + MARGIN);
    const moved = from !== this.from || to !== this.to;
    [this.from, this.to] = [from, to];
    return moved;
  }

  #height = 0; // of a row, where that is known

  #rowHeight() {
    return (this.#height ||= parseInt(getComputedStyle(this).getPropertyValue('--row'), 10) || 56);
  }

  /** @param {Event} event */
  #scrolled = ({ type }) => {
    if (type === 'resize') this.#height = 0;
    if (!this.#measure()) return;
    this.requestUpdate();
    this.#lookOnceStill();
  };

  /** The devices in sight; of a short list, all. */
  #inSight = () => (this.shown.length <= FEW ? this.shown : this.shown.slice(this.from, this.to)).map(({ device }) => device);

  /** Whether nobody can tell of a device, since its agent is offline. @param {Device} device */
  #cut = ({ agentID }) => agentID !== null && this.agents.get(agentID)?.presence?.state === 'offline';

  /** Whether one may shut a device down: an agent on it is connected and says that it may. @param {Device} device */
  #canEnd({ shared, hostAgentID }) {
    const { presence, commands } = this.agents.get(hostAgentID ?? 0) ?? {};
    return !shared && may('devices:power') && presence?.state === 'online' && commands?.includes('SHUTDOWN');
  }

  /** Whether nothing is known of some device in sight and somebody could tell. */
  #unknown = () => this.#inSight().some((device) => !seen.has(device.id) && !this.#cut(device));

  #watched = false;
  #still = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);

  /** Has the devices in sight be looked at, at once where nothing is known of one. @param {number} later */
  #look(later) {
    clearTimeout(this.#still);
    const look = async () => {
      const { lookSoon, watchDevices } = await import('../looks.js');
      if (!this.isConnected) return;
      if (this.#watched) lookSoon();
      else this.#stop.push(watchDevices(() => this.#inSight().map(({ id }) => id)));
      this.#watched = true;
    };
    this.#still = setTimeout(look, this.#unknown() ? 0 : later);
  }

  /** Looks at rows that came into sight, once the list rests. */
  #lookOnceStill() {
    clearTimeout(this.#still);
    this.#still = setTimeout(() => {
      if (!this.#watched || this.#unknown()) this.#look(LATER);
    }, 300);
  }

  /** @override */
  updated() {
    const list = /** @type {HTMLElement | null} */ (this.querySelector('.rows'));
    const inner = /** @type {HTMLElement | null} */ (this.querySelector('.rows > ul'));
    if (!list || !inner) return;
    // How high that is the style sheet knows: asking for it would have the browser lay out the page twice.
    list.style.setProperty('--count', String(this.shown.length));
    inner.style.setProperty('--from', String(this.from));
    if (this.#measure()) this.requestUpdate();
  }

  /** A slash begins a search, as in other lists. @param {KeyboardEvent} event */
  #slash = (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.key !== '/' || event.ctrlKey || event.metaKey || target.closest('input, textarea, select, dialog')) return;
    event.preventDefault();
    /** @type {HTMLElement | null} */ (this.querySelector('#find'))?.focus();
  };

  /** Up and down go from row to row. @param {KeyboardEvent} event */
  #arrows = async (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    const target = /** @type {HTMLElement} */ (event.target);
    const row = target.closest('li');
    if (!by || !row || target.matches('input')) return;
    event.preventDefault();
    const index = Math.max(0, Math.min(this.shown.length - 1, Number(row.dataset.index) + by));
    const list = /** @type {HTMLElement} */ (this.querySelector('.rows'));
    const height = this.#rowHeight();
    const top = list.getBoundingClientRect().top + index * height;
    const room = 2 * height;
    if (top < room + 56) scrollBy(0, top - room - 56);
    else if (top + height > innerHeight - room) scrollBy(0, top + height + room - innerHeight);
    this.#measure();
    this.requestUpdate();
    await this.updateComplete;
    /** @type {HTMLElement | null} */ (this.querySelector(`li[data-index="${index}"] .name a`))?.focus({ preventScroll: true });
  };

  /** @param {Partial<Devices>} change */
  #set(change) {
    Object.assign(this, change, { filtered: true });
    if (this.getBoundingClientRect().top < 0) scrollTo(0, 0);
    this.#choose();
    this.requestUpdate();
    this.#lookOnceStill();
  }

  add = async () => {
    const { editDevice } = await import('../device-form.js');
    const id = await editDevice(null);
    if (id) notify(t('device.added'));
  };

  /** @param {number} id */
  async #star(id) {
    const { toggleFavorite } = await import('../favorites.js');
    const kept = toggleFavorite(id).catch(notifyError);
    for (const now of [null, kept]) {
      await now;
      this.#choose();
      this.requestUpdate();
    }
  }

  /** @param {number} id @param {boolean} on */
  async #select(id, on) {
    if (on) this.selected.add(id);
    else this.selected.delete(id);
    this.#bar ??= (await import('../selection.js')).bar;
    this.requestUpdate();
  }

  /** What is done with those selected, once some are. @type {typeof import('../selection.js').bar | undefined} */
  #bar;

  #chosen = () => this.rows.map(({ device }) => device).filter(({ id }) => this.selected.has(id));

  #unselect = () => {
    this.selected.clear();
    if (live) this.requestUpdate();
    else void this.reload();
  };

  /** @override */
  render() {
    const count = this.loaded ? html`<span class="count">${number(this.rows.length)}</span>` : nothing;
    return html`<header class="page">
        <h1 tabindex="-1">${this.heading}${count}</h1>
        ${may('devices:write') && !(this.loaded && this.rows.length === 0) ? html`<button class="primary" @click=${this.add}>${icon('plus')}${t('devices.add')}</button>` : nothing}
      </header>
      ${problem(this.failure, this.reload)} ${this.loaded ? this.#list() : this.failure ? nothing : skeleton(8)}`;
  }

  #list() {
    if (this.rows.length === 0) return this.steps;
    const input = (/** @type {Event} */ event) => this.#set({ text: /** @type {HTMLInputElement} */ (event.target).value });
    const choose = (/** @type {Event} */ event) => this.#set({ agent: /** @type {HTMLSelectElement} */ (event.target).value });
    const visible = this.shown.slice(this.from, this.to);
    return html`<search class="filters">
        <label class="find">${icon('search')}<span class="unseen">${t('devices.find')}</span>
          <input id="find" type="search" placeholder=${t('devices.find')} .value=${this.text} @input=${input} autocomplete="off" spellcheck="false" /><kbd>/</kbd>
        </label>
        <div class="chips" role="group" aria-label=${t('filter')}>
          ${FILTERS.map(
            (filter) =>
              html`<button class="chip" aria-pressed=${filter === this.filter} @click=${() => this.#set({ filter })}>
                ${t(`filter.${filter}`)}
              </button>`,
          )}
          ${this.agents.size > 1
            ? html`<label class="chip-select"><span class="unseen">${t('agent')}</span>
                <select @change=${choose}>
                  <option value="">${t('filter.agents')}</option>
                  ${[...this.agents.values()].map(({ id, name }) => html`<option value=${id}>${name}</option>`)}
                </select></label>`
            : nothing}
        </div>
        <span class="unseen" role="status">${this.filtered ? tn('devices.shown', this.shown.length) : nothing}</span>
      </search>
      ${this.shown.length === 0
        ? html`<div class="empty small"><p>${t('devices.none')}</p>
            <button @click=${() => this.#set({ text: '', filter: 'all', agent: '' })}>${t('filter.clear')}</button></div>`
        : nothing}
      <div class="rows devices" @keydown=${this.#arrows}>
        <ul aria-label=${this.heading}>
          ${repeat(visible, (row) => row.device.id, (row, i) => this.#row(row, this.from + i))}
        </ul>
      </div>
      ${this.selected.size > 0 ? this.#bar?.(this.#chosen(), this.#unselect) : nothing}`;
  }

  /** @param {Row} row @param {number} index */
  #row({ device, agent }, index) {
    const { id, name } = device;
    const waking = wakes.get(id);
    const picked = this.selected.has(id);
    const select = (/** @type {Event} */ event) => this.#select(id, /** @type {HTMLInputElement} */ (event.target).checked);
    return html`<li data-index=${index} class=${picked ? 'picked' : ''} aria-setsize=${this.shown.length} aria-posinset=${index + 1}>
      <label class="pick"><input type="checkbox" .checked=${picked} @change=${select} aria-label=${t('select', { name })} /></label>
      ${star(device, () => this.#star(id))}
      <div class="what">${this.#state(device, waking)}</div>
      <div class="name">
        ${icon(deviceIcon(device.type))}<a href="devices/${id}">${name}</a>
        ${device.description ? html`<span class="quiet">${device.description}</span>` : nothing}
      </div>
      <div class="via quiet" title=${agent}>${agent}</div>
      <div class="where quiet">${device.address ?? device.macAddress}</div>
      <div class="act">${actionButton(device, waking, this.#canEnd(device))}</div>
    </li>`;
  }

  /** @param {Device} device @param {import('../wake.js').Wake | undefined} waking */
  #state(device, waking) {
    const now = seen.get(device.id);
    if (waking?.underWay) return html`${state(...waking.shown)}${waking.withdraw}`;
    // What a wake came to is shown for a while, until what is seen says otherwise.
    if (waking && Date.now() - waking.ended < REMEMBERED && (waking.phase === 'online') === (now?.state === 'online')) {
      return html`${state(...waking.shown)}${waking.phase === 'online' ? nothing : waking.why}`;
    }
    if (!this.#cut(device)) return seenState(now);
    return seenState(now ?? { state: 'unknown', since: null }, t('state.agentOffline'));
  }
}
customElements.define('ni-devices', Devices);

/** The button that makes a device a favourite. @param {Device} device @param {() => void} toggle */
export const star = ({ id, name }, toggle) =>
  html`<button class="icon-only star" aria-pressed=${session?.favorites.includes(id) ?? false} aria-label=${t('favorite', { name })} @click=${toggle}>
    ${icon('star')}
  </button>`;

/** Whether one may wake a device. @param {Device} device */
export const wakeable = (device) => !device.shared || (device.permissions?.includes('wake') ?? false);

/**
 * The one big action of a device. How that is done is loaded when it is first wanted.
 * @param {Device} device
 * @param {import('../wake.js').Wake | undefined} waking
 * @param {boolean} [ends] whether it can be shut down
 */
export function actionButton(device, waking, ends) {
  if (!wakeable(device)) return html`<span class="quiet">${t('device.viewOnly')}</span>`;
  const busy = waking?.underWay ?? false;
  const what = ends && !busy ? 'power.shutdown' : 'wake';
  const act = async () => (what === 'wake' ? (await import('../wake.js')).wake(device) : (await import('../power-menu.js')).ask(device, 'shutdown'));
  // What is up need not be woken, but may be: a state can be out of date.
  const up = seen.get(device.id)?.state === 'online' ? 'up' : '';
  return html`<button class="wake ${up} ${busy ? 'busy' : ''}" aria-disabled=${busy} aria-label=${t(`${what}.what`, { name: device.name })} @click=${act}>
    ${icon('power')}<span>${t(what)}</span>
  </button>`;
}
