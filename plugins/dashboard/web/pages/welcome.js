// The first sign-in, with the one-time link of the first start: a password is chosen, and one is in.
import { html } from '../vendor/lit.js';
import { ApiError, post } from '../api.js';
import { go, signIn } from '../app.js';
import { Form } from '../form.js';
import { Page, brand, notify, t } from '../ui.js';

/** The first admin's name. */
const USERNAME = 'admin';

export default class Welcome extends Page {
  form = new Form(this);
  // A fragment is never sent to a server, so that no log holds the token.
  token = new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
  dead = this.token === '';

  /** @override */
  get heading() {
    return t(this.dead ? 'welcome.dead' : 'welcome');
  }

  submit = this.form.submit(async ({ password }) => {
    try {
      await post('auth/reset-password', { token: this.token, password });
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'invalid_reset_token') throw error;
      this.dead = true;
      this.requestUpdate();
      this.dispatchEvent(new Event('heading'));
      await this.updateComplete;
      this.querySelector('h1')?.focus();
      return;
    }
    try {
      await signIn({ username: USERNAME, password });
      notify(t('welcome.done'));
    } catch {
      // The first admin was renamed or has a second factor: the page to sign in asks.
      notify(t('reset.done'));
    }
    go('./', { replace: true });
  });

  /** @override */
  firstUpdated() {
    /** @type {HTMLElement | null} */ (this.querySelector('[name=password]'))?.focus();
  }

  /** @override */
  render() {
    return html`<section class="card narrow">
      <div class="brand big">${brand}<span>NetIgnite</span></div>
      <h1 tabindex="-1">${this.heading}</h1>
      ${this.dead ? this.#dead() : this.#form()}
      <p class="quiet"><a href="./">${t('signIn')}</a></p>
    </section>`;
  }

  #form() {
    const { form } = this;
    return html`<p class="quiet">${t('welcome.text', { name: USERNAME })}</p>
      <form @submit=${this.submit}>
        ${form.problem()}
        <input type="text" class="unseen" autocomplete="username" .value=${USERNAME} readonly tabindex="-1" aria-hidden="true" />
        ${form.field({ name: 'password', label: t('password.new'), type: 'password', required: true, minlength: 10, autocomplete: 'new-password', hint: t('password.hint') })}
        ${form.button(t('welcome.do'))}
      </form>`;
  }

  #dead() {
    return html`<p>${t('welcome.dead.text')}</p>
      <ul>
        <li>${t('welcome.dead.file')} <code>initial_admin_credentials</code></li>
        <li>${t('welcome.dead.new')} <code>netignite user reset-token ${USERNAME}</code></li>
      </ul>`;
  }
}
customElements.define('ni-welcome', Welcome);
