// Setting up a second factor: the password, then the app, then the recovery codes.
import { html } from './vendor/lit.js';
import { post } from './api.js';
import { copyable } from './dialogs.js';
import { Form } from './form.js';
import { qr } from './qr.js';
import { Part, t } from './ui.js';

export class TotpSetup extends Part {
  form = new Form(this);
  /** @type {{secret: string, otpauthUrl: string} | null} */
  seed = null;
  /** @type {string[]} */
  codes = [];
  /** @type {() => void} */
  done = () => undefined;

  begin = this.form.submit(async ({ currentPassword }) => {
    this.seed = await post('account/totp', { currentPassword });
  });

  confirm = this.form.submit(async ({ code }) => {
    this.codes = (await post('account/totp/confirm', { code: code.trim() })).recoveryCodes;
  });

  /** @override */
  updated() {
    const field = /** @type {HTMLElement | null} */ (this.querySelector('form input'));
    if (field && !this.contains(document.activeElement)) field.focus();
  }

  /** @override */
  render() {
    const { form } = this;
    if (this.codes.length > 0) return this.#codes();
    if (!this.seed) {
      return html`<form @submit=${this.begin}>
        ${form.problem()}
        ${form.field({ name: 'currentPassword', label: t('password.current'), type: 'password', required: true, autocomplete: 'current-password', hint: t('totp.password.hint') })}
        <footer>${form.button(t('next'))}</footer>
      </form>`;
    }
    return html`<div class="with-qr">
        ${qr(this.seed.otpauthUrl, t('totp.qr'))}
        <div><p>${t('totp.scan')}</p>${copyable(this.seed.secret, t('totp.secret'))}</div>
      </div>
      <form @submit=${this.confirm}>
        ${form.problem()}
        ${form.field({ name: 'code', label: t('totp.code'), required: true, inputmode: 'numeric', autocomplete: 'one-time-code', pattern: '[0-9 ]{6,7}', hint: t('totp.code.hint') })}
        <footer>${form.button(t('totp.enable'))}</footer>
      </form>`;
  }

  #codes() {
    const text = this.codes.join('\n');
    const file = `data:text/plain;charset=utf-8,${encodeURIComponent(`NetIgnite\n\n${text}\n`)}`;
    return html`<p>${t('totp.codes')}</p>
      <ul class="codes">${this.codes.map((code) => html`<li><code>${code}</code></li>`)}</ul>
      ${copyable(text, t('totp.codes.label'))}
      <footer>
        <a class="button" href=${file} download="netignite-recovery-codes.txt">${t('totp.codes.save')}</a>
        <button class="primary" @click=${() => this.done()}>${t('totp.codes.kept')}</button>
      </footer>`;
  }
}
customElements.define('ni-totp-setup', TotpSetup);
