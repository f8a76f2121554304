// The server itself: whether it is well, what it logs, and the key that secrets are sealed with.
import { html, nothing } from '../vendor/lit.js';
import { base, get, post, put } from '../api.js';
import { confirm } from '../dialogs.js';
import { Page, icon, lasting, locale, notify, notifyError, number, state, t, time } from '../ui.js';
import { notifyUndo } from '../undo.js';

const SIZES = /** @type {const} */ (['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte']);

/** A size as people write it. @param {number} n in bytes */
function bytes(n) {
  const at = Math.min(SIZES.length - 1, n < 1 ? 0 : Math.floor(Math.log10(n) / 3));
  return new Intl.NumberFormat(locale, { style: 'unit', unit: SIZES[at], maximumSignificantDigits: 3 }).format(n / 1000 ** at);
}

const LEVELS = ['debug', 'info', 'warn', 'error', 'critical'];

export default class Server extends Page {
  /** @type {ServerStatus | null} */
  status = null;
  ready = false;
  level = '';
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /** @override */
  get heading() {
    return t('nav.server');
  }

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    this.#timer = setInterval(() => {
      if (!document.hidden) void this.reload();
    }, 10_000);
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.#timer);
  }

  /** @override */
  async load() {
    const ready = fetch(new URL('readyz', base), { cache: 'no-store' }).then(
      (answer) => answer.ok,
      () => false,
    );
    [this.ready, this.status, { level: this.level }] = await Promise.all([ready, get('admin/server'), get('admin/log-level')]);
  }

  /** @param {Event} event */
  #setLevel = async (event) => {
    const level = /** @type {HTMLSelectElement} */ (event.target).value;
    try {
      const before = this.level;
      await put('admin/log-level', { level });
      this.level = level;
      notifyUndo(t('server.level.done', { level }), () => put('admin/log-level', { level: before }).then(this.reload));
    } catch (error) {
      notifyError(error);
    }
    this.requestUpdate();
  };

  rotate = async () => {
    const sure = await confirm({ title: t('server.key'), text: t('server.key.text'), action: t('server.key.do') });
    if (!sure) return;
    try {
      const { secrets } = await post('admin/secrets/rotate-key');
      notify(t('server.key.done', { secrets }));
      await this.reload();
    } catch (error) {
      notifyError(error);
    }
  };

  /** @param {string} key @param {string | null | undefined} value */
  #figure = (key, value) => html`<div class="figure"><span class="quiet">${t(key)}</span><strong>${value ?? '–'}</strong></div>`;

  /** @override */
  content() {
    return html`<header class="page"><h1 tabindex="-1">${this.heading}</h1></header>
      <div class="figures">
        <div class="figure"><span class="quiet">${t('server.health')}</span>${this.ready ? state('online', t('server.ready')) : state('failed', t('server.notReady'))}</div>
        ${this.#figure('server.version', this.status?.version)}
        ${this.#figure('server.uptime', this.status && lasting(this.status.uptime))}
        ${this.#figure('server.database', this.status && bytes(this.status.databaseBytes))}
        ${this.#figure('server.users', this.status && number(this.status.users))}
        ${this.#figure('server.devices', this.status && number(this.status.devices))}
        ${this.#figure('server.agents', this.status && t('server.ofAgents', { connected: number(this.status.agentsConnected), n: number(this.status.agents) }))}
        ${this.#figure('server.operations', this.status && number(this.status.liveOperations))}
      </div>
      <div class="columns">
        <section class="card">
          <header><h2>${t('server.level')}</h2></header>
          <div class="field"><label for="log-level">${t('server.level.label')}</label>
            <select id="log-level" @change=${this.#setLevel}>
              ${LEVELS.map((level) => html`<option value=${level} ?selected=${level === this.level}>${t(`level.${level}`)}</option>`)}
            </select>
            <p class="hint">${t('server.level.hint')}</p></div>
        </section>
        <section class="card">
          <header><h2>${t('server.key')}</h2></header>
          <p class="quiet">${t('server.key.what')}</p>
          ${this.status?.keyMadeAt ? html`<p>${t('server.key.made')} ${time(this.status.keyMadeAt)}</p>` : nothing}
          <div class="buttons"><button @click=${this.rotate}>${icon('key')}${t('server.key.do')}</button></div>
        </section>
        ${this.status?.backups.length ? html`<section class="card">
          <header><h2>${t('server.backups')}</h2></header>
          <p class="quiet">${t('server.backups.what')}</p>
          <ul class="plain-list">${this.status.backups.map(({ name, madeAt, bytes: size }) => html`<li><code>${name}</code> <span class="quiet">${bytes(size)} · ${time(madeAt)}</span></li>`)}</ul>
        </section>` : nothing}
      </div>`;
  }
}
customElements.define('ni-server', Server);
