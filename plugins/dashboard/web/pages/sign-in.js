// Signing in, with a second factor where there is one.
import { html, nothing } from '../vendor/lit.js';
import { ApiError } from '../api.js';
import { signIn, wasEnded } from '../app.js';
import { Form } from '../form.js';
import { Page, brand, say, t } from '../ui.js';

/** How the password of the first admin looks, which the first start writes to a file. */
const FIRST_PASSWORD = /^[A-Za-z0-9_-]{32}$/;

/** Goes on to the page of a plugin that sent its reader here to sign in; to a path of this server alone. */
function goOn() {
  const next = new URLSearchParams(location.search).get('next');
  if (!next?.startsWith('/')) return;
  const url = new URL(next, location.origin);
  if (url.origin === location.origin) location.assign(url);
}

export default class SignIn extends Page {
  form = new Form(this);
  /** Whether a code is asked for, since the password was right. */
  second = false;

  /** @override */
  get heading() {
    return t('signIn');
  }

  submit = this.form.submit(async ({ username, password, code }, form) => {
    try {
      await signIn({ username, password, ...(code ? { code } : {}) });
    } catch (error) {
      if (error instanceof ApiError && error.code === 'totp_required') {
        this.second = true;
        this.requestUpdate();
        await this.updateComplete;
        /** @type {HTMLElement | null} */ (form.querySelector('[name=code]'))?.focus();
        return;
      }
      if (error instanceof ApiError && error.code === 'wrong_totp_code') {
        this.form.wrong = { code: say(error) };
        return;
      }
      throw error;
    }
    if (username === 'admin' && FIRST_PASSWORD.test(password)) {
      const { changeFirstPassword } = await import('../password.js');
      await changeFirstPassword(password);
    }
    goOn();
  });

  /** The fields of the document's own form, which was there before this: what was typed there goes on here. */
  #early = /** @type {HTMLInputElement[]} */ ([]);
  /** The one that has the focus. @type {HTMLInputElement | undefined} */
  #at;

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    this.#early = [...document.querySelectorAll(/** @type {'input'} */ ('#early input'))];
    this.#at = this.#early.find((field) => field === document.activeElement);
  }

  /** @override */
  firstUpdated() {
    for (const early of this.#early) {
      const field = /** @type {HTMLInputElement} */ (this.querySelector(`[autocomplete=${early.autocomplete}]`));
      field.value = early.value;
      if (early !== this.#at) continue;
      field.focus();
      field.setSelectionRange(early.selectionStart, early.selectionEnd);
    }
    if (!this.#at) this.querySelector('input')?.focus();
    // Sent already: the answer is taken here.
    if (window.signingIn) this.querySelector('form')?.requestSubmit();
  }

  /** @override */
  render() {
    const { form } = this;
    return html`<section class="card narrow">
      <div class="brand big">${brand}<span>NetIgnite</span></div>
      <h1 tabindex="-1">${this.heading}</h1>
      ${wasEnded() ? html`<p class="note" role="status">${t('signIn.ended')}</p>` : nothing}
      <form @submit=${this.submit}>
        ${form.problem()}
        ${form.field({ name: 'username', label: t('username'), required: true, autocomplete: 'username' })}
        ${form.field({ name: 'password', label: t('password'), type: 'password', required: true, autocomplete: 'current-password' })}
        ${this.second
          ? form.field({ name: 'code', label: t('code'), required: true, autocomplete: 'one-time-code', hint: t('code.hint') })
          : nothing}
        ${form.button(t('signIn'))}
      </form>
      <p class="quiet"><a href="reset">${t('signIn.reset')}</a></p>
    </section>`;
  }
}
customElements.define('ni-sign-in', SignIn);
