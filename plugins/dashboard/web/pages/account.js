// One's own account: name and password, second factor, where one is signed in, API tokens.
import { html, nothing } from '../vendor/lit.js';
import { events, get, loadSession, put, remove, session } from '../api.js';
import { confirm, openDialog } from '../dialogs.js';
import { Form } from '../form.js';
import { changePassword } from '../password.js';
import { createToken } from '../token-form.js';
import { TotpSetup } from '../totp.js';
import { Page, Part, icon, notify, notifyError, state, t, time } from '../ui.js';
import { notifyUndo } from '../undo.js';

/** @typedef {Api.StateView} Totp */

class TotpOff extends Part {
  form = new Form(this);
  /** @type {(done?: boolean) => void} */
  close = () => undefined;

  submit = this.form.submit(async ({ currentPassword, code }) => {
    await remove('account/totp', { currentPassword, code: code.trim() });
    this.close(true);
  });

  /** @override */
  render() {
    const { form } = this;
    return html`<form @submit=${this.submit}>
      ${form.problem()}
      ${form.field({ name: 'currentPassword', label: t('password.current'), type: 'password', required: true, autocomplete: 'current-password' })}
      ${form.field({ name: 'code', label: t('code'), required: true, autocomplete: 'one-time-code', hint: t('code.hint') })}
      <footer><button type="button" @click=${() => this.close()}>${t('cancel')}</button>${form.button(t('totp.off'))}</footer>
    </form>`;
  }
}
customElements.define('ni-totp-off', TotpOff);

/** What a browser calls itself, short. @param {string | null} agent */
function browser(agent) {
  if (!agent) return t('session.unknown');
  const name = /(Firefox|Edg|OPR|Chrome|Safari|curl)\/?(\d+)?/.exec(agent);
  const system = /(Android|iPhone|iPad|Windows|Mac OS X|Linux)/.exec(agent);
  const names = /** @type {Record<string, string>} */ ({ Edg: 'Edge', OPR: 'Opera' });
  if (!name) return agent.slice(0, 60);
  return [names[name[1]] ?? name[1], name[2], system && `· ${system[1].replace(' OS X', 'OS')}`].filter(Boolean).join(' ');
}

export default class Account extends Page {
  /** @type {BrowserSession[]} */
  sessions = [];
  /** @type {Token[]} */
  tokens = [];
  /** @type {Totp} */
  totp = { enabled: false, required: false, recoveryCodesLeft: 0 };
  form = new Form(this);
  #again = (/** @type {Event} */ event) => {
    if (/** @type {CustomEvent} */ (event).detail === 'account') void this.reload();
  };

  /** @override */
  get heading() {
    return t('nav.account');
  }

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    events.addEventListener('changed', this.#again);
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    events.removeEventListener('changed', this.#again);
  }

  /** @override */
  async load() {
    [this.sessions, this.tokens, this.totp] = await Promise.all([get('account/sessions'), get('account/tokens'), get('account/totp')]);
  }

  rename = this.form.submit(async ({ username }) => {
    if (!session) return;
    const { userID, username: before } = session;
    const rename = async (/** @type {string} */ name) => {
      await put(`account/${userID}`, { username: name, favorites: session?.favorites });
      await loadSession();
      this.requestUpdate();
    };
    await rename(username.trim());
    notifyUndo(t('saved'), () => rename(before));
  });

  /** @param {() => Promise<unknown>} work @param {string} done */
  async #do(work, done) {
    try {
      await work();
      notify(done);
      await this.reload();
    } catch (error) {
      notifyError(error);
    }
  }

  setUp = async () => {
    await openDialog(t('totp.setUp'), (close) => {
      const setup = new TotpSetup();
      setup.done = () => close();
      return html`${setup}`;
    });
    await this.reload();
  };

  turnOff = async () => {
    const done = await openDialog(t('totp.off'), (/** @type {(done?: boolean) => void} */ close) => {
      const form = new TotpOff();
      form.close = close;
      return html`${form}`;
    });
    if (done) notify(t('totp.off.done'));
    await this.reload();
  };

  /** @param {Token} token */
  #revoke = async ({ id, name }) => {
    const sure = await confirm({ title: t('token.revoke', { name }), text: t('token.revoke.text'), action: t('token.revoke', { name }) });
    if (sure) await this.#do(() => remove(`account/tokens/${id}`), t('token.revoked', { name }));
  };

  newToken = async () => {
    await createToken();
    await this.reload();
  };

  /** @override */
  content() {
    const { form } = this;
    return html`<header class="page"><h1 tabindex="-1">${this.heading}</h1></header>
      <div class="columns">
        <section class="card">
          <header><h2>${t('account.you')}</h2><span class="tag">${t(`role.${session?.superadmin ? 'superadmin' : (session?.role ?? 'user')}`)}</span></header>
          <form class="inline" @submit=${this.rename}>
            ${form.problem()}
            ${form.field({ name: 'username', label: t('username'), value: session?.username, required: true, maxlength: 64, autocomplete: 'username' })}
            ${form.button(t('save'))}
          </form>
          <div class="buttons"><button @click=${changePassword}>${icon('key')}${t('password.change')}</button></div>
        </section>
        <section class="card">
          <header><h2>${t('totp')}</h2>${this.totp.enabled ? state('online', t('totp.on')) : state('offline', t('totp.isOff'))}</header>
          <p class="quiet">${t(this.totp.enabled ? 'totp.on.text' : 'totp.text', { n: this.totp.recoveryCodesLeft })}</p>
          <div class="buttons">
            ${this.totp.enabled ? html`<button @click=${this.turnOff}>${t('totp.off')}</button>` : html`<button class="primary" @click=${this.setUp}>${t('totp.setUp')}</button>`}
          </div>
        </section>
      </div>
      <section class="card">
        <header><h2>${t('tokens')}</h2><button @click=${this.newToken}>${icon('plus')}${t('tokens.add')}</button></header>
        <p class="quiet">${t('tokens.text')}</p>
        <ul class="plain-list">${this.tokens.map((token) => this.#token(token))}</ul>
      </section>
      <section class="card">
        <header><h2>${t('sessions')}</h2>
          ${this.sessions.length > 1 ? html`<button @click=${() => this.#do(() => remove('account/sessions'), t('sessions.ended'))}>${t('sessions.endOthers')}</button>` : nothing}</header>
        <ul class="plain-list">${this.sessions.map((one) => this.#session(one))}</ul>
      </section>`;
  }

  /** @param {Token} token */
  #token(token) {
    const { name, permissions, deviceIDs, expiresAt, lastUsed } = token;
    const over = expiresAt !== null && expiresAt < Date.now();
    return html`<li class="two">
      <div><strong>${name}</strong> ${over ? html`<span class="tag">${t('token.over')}</span>` : nothing}
        <span class="quiet">${permissions.join(', ')}${deviceIDs ? ` · ${t('token.devices', { n: deviceIDs.length })}` : ''}</span></div>
      <span class="quiet">${lastUsed === null ? t('token.unused') : html`${t('token.used')} ${time(lastUsed)}`}${expiresAt ? html` · ${t('ends')} ${time(expiresAt)}` : nothing}</span>
      <button class="icon-only" aria-label=${t('token.revoke', { name })} @click=${() => this.#revoke(token)}>${icon('trash')}</button>
    </li>`;
  }

  /** @param {BrowserSession} one */
  #session({ id, lastUsed, created, address, userAgent, current }) {
    const name = browser(userAgent);
    return html`<li class="two">
      <div><strong>${name}</strong> ${current ? html`<span class="tag">${t('session.current')}</span>` : nothing}
        <span class="quiet">${address ?? t('session.local')}</span></div>
      <span class="quiet">${t('session.used')} ${time(lastUsed)} · ${t('session.since')} ${time(created)}</span>
      ${current ? html`<span></span>` : html`<button class="icon-only" aria-label=${t('session.end', { name })} @click=${() => this.#do(() => remove(`account/sessions/${id}`), t('session.ended'))}>${icon('out')}</button>`}
    </li>`;
  }
}
customElements.define('ni-account', Account);
