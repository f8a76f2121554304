// Agents: which are connected, since when, and adding one.
import { html, nothing, repeat } from '../vendor/lit.js';
import { apply, events, follow, get, live, may, readList, remove } from '../api.js';
import { confirm } from '../dialogs.js';
import { Page, icon, notifyError, number, presenceState, problem, skeleton, t, time, tn } from '../ui.js';

/** Rows that are shown at once. */
const MANY = 300;

export default class Agents extends Page {
  /** @type {Agent[]} */
  list = [];
  /** @type {EnrolmentCode[]} */
  codes = [];
  text = '';
  most = MANY;
  #stop = /** @type {(() => void)[]} */ ([]);

  /** @override */
  get heading() {
    return t('nav.agents');
  }

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    const again = (/** @type {Event} */ event) => {
      if (!live && /** @type {CustomEvent} */ (event).detail === 'agents') void this.reload();
    };
    // How long states have lasted.
    const minute = setInterval(() => this.requestUpdate(), 30_000);
    events.addEventListener('changed', again);
    this.#stop = [follow(this.#changed), () => clearInterval(minute), () => events.removeEventListener('changed', again)];
    if (new URLSearchParams(location.search).has('add')) {
      history.replaceState(null, '', 'agents');
      void this.add();
    }
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    for (const stop of this.#stop) stop();
  }

  /** @param {import('../api.js').Change[]} changes */
  #changed = (changes) => {
    if (!this.loaded) return;
    const before = this.list.length;
    if (changes.some(({ type }) => type === 'reset')) void this.reload();
    if (changes.filter((change) => apply(this.list, change, 'agent')).length > 0) this.requestUpdate();
    // One more may have used up a code.
    if (this.list.length > before) void this.#readCodes().then(() => this.requestUpdate(), notifyError);
  };

  /** @override */
  async load() {
    [this.list] = await Promise.all([readList('agents'), this.#readCodes()]);
  }

  async #readCodes() {
    this.codes = may('agents:write') ? await get('agents/enrolment-codes') : [];
  }

  add = async () => {
    const { addAgent } = await import('../add-agent.js');
    await addAgent();
    await this.reload();
  };

  /** @param {EnrolmentCode} code */
  async #revoke({ id }) {
    const sure = await confirm({ title: t('code.revoke'), text: t('code.revoke.text'), action: t('code.revoke') });
    if (!sure) return;
    await remove(`agents/enrolment-codes/${id}`).catch(notifyError);
    await this.reload();
  }

  /** @override */
  render() {
    return html`<header class="page">
        <h1 tabindex="-1">${this.heading}${this.loaded ? html`<span class="count">${number(this.list.length)}</span>` : nothing}</h1>
        ${may('agents:write') ? html`<button class="primary" @click=${this.add}>${icon('plus')}${t('agents.add')}</button>` : nothing}
      </header>
      ${problem(this.failure, this.reload)} ${this.loaded ? this.#rows() : this.failure ? nothing : skeleton(6)}`;
  }

  #rows() {
    if (this.list.length === 0) {
      return html`<section class="empty">
          <h2>${t('agents.first')}</h2><p>${t('agents.first.text')}</p>
          <button class="primary" @click=${this.add}>${t('agents.add')}</button>
        </section>
        ${this.#codes()}`;
    }
    const words = this.text.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = this.list.filter(({ name, description, presence }) => {
      const text = `${name}\n${description}\n${presence?.address ?? ''}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    const input = (/** @type {Event} */ event) => {
      this.text = /** @type {HTMLInputElement} */ (event.target).value;
      this.most = MANY;
      this.requestUpdate();
    };
    return html`${this.list.length > 5
        ? html`<search class="filters"><label class="find">${icon('search')}<span class="unseen">${t('agents.find')}</span>
            <input type="search" placeholder=${t('agents.find')} .value=${this.text} @input=${input} autocomplete="off" /></label>
            <span class="unseen" role="status">${tn('agents.shown', shown.length)}</span></search>`
        : nothing}
      <div class="rows agents"><ul aria-label=${this.heading}>
        ${repeat(shown.slice(0, this.most), ({ id }) => id, (agent) => this.#row(agent))}
      </ul></div>
      ${shown.length > this.most
        ? html`<button @click=${() => {
            this.most += MANY;
            this.requestUpdate();
          }}>${t('showMore')}</button>`
        : nothing}
      ${this.#codes()}`;
  }

  /** @param {Agent} agent */
  #row(agent) {
    const { presence } = agent;
    return html`<li>
      <div class="what">${presenceState(presence)}</div>
      <div class="name">${icon(agent.type === 'server' ? 'server' : 'chip')}<a href="agents/${agent.id}">${agent.name}</a>
        ${agent.description ? html`<span class="quiet">${agent.description}</span>` : nothing}</div>
      <div class="via quiet">${t(`agent.type.${agent.type}`)}</div>
      <div class="where quiet">${presence?.address ?? ''}</div>
    </li>`;
  }

  #codes() {
    if (this.codes.length === 0) return nothing;
    return html`<section class="card">
      <header><h2>${t('codes')}</h2></header>
      <p class="quiet">${t('codes.text')}</p>
      <ul class="plain-list">
        ${this.codes.map(
          (code) =>
            html`<li><span>${code.name ?? t('code.unnamed', { id: code.id })}</span>
              <span>${tn('code.uses', code.usesLeft)}</span>
              <span class="quiet">${t('ends')} ${time(code.expiresAt)}</span>
              <button class="icon-only" aria-label=${t('code.revoke')} @click=${() => this.#revoke(code)}>${icon('trash')}</button></li>`,
        )}
      </ul>
    </section>`;
  }
}
customElements.define('ni-agents', Agents);
