// The server itself: whether it is well, what it logs, and the key that secrets are sealed with.
import { html, nothing } from '../vendor/lit.js';
import { ApiError, base, get, post, put } from '../api.js';
import { lasting, t } from '../i18n.js';
import { Page, confirm, icon, notify, notifyError, state } from '../ui.js';

const LEVELS = ['debug', 'info', 'warn', 'error', 'critical'];

export default class Server extends Page {
  /** @type {{version: string, uptime: number} | null} */
  health = null;
  ready = false;
  level = '';
  readAt = 0;
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
    const health = get('health').catch((error) => {
      // Not ready, and saying so, is no failure of this page.
      if (error instanceof ApiError && error.status === 503) return null;
      throw error;
    });
    [this.ready, this.health, { level: this.level }] = await Promise.all([ready, health, get('admin/log-level')]);
    this.readAt = Date.now();
  }

  /** @param {Event} event */
  #setLevel = async (event) => {
    const level = /** @type {HTMLSelectElement} */ (event.target).value;
    try {
      await put('admin/log-level', { level });
      this.level = level;
      notify(t('server.level.done', { level }));
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
    } catch (error) {
      notifyError(error);
    }
  };

  /** @override */
  content() {
    return html`<header class="page"><h1 tabindex="-1">${this.heading}</h1></header>
      <div class="figures">
        <div class="figure"><span class="quiet">${t('server.health')}</span>${this.ready ? state('online', t('server.ready')) : state('failed', t('server.notReady'))}</div>
        <div class="figure"><span class="quiet">${t('server.version')}</span><strong>${this.health?.version ?? '–'}</strong></div>
        <div class="figure"><span class="quiet">${t('server.uptime')}</span><strong>${this.health ? lasting(this.health.uptime * 1000) : '–'}</strong></div>
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
          <div class="buttons"><button @click=${this.rotate}>${icon('key')}${t('server.key.do')}</button></div>
        </section>
      </div>${nothing}`;
  }
}
customElements.define('ni-server', Server);
