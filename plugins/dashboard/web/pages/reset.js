// Choosing a new password with a reset token, which comes from whoever manages users.
import { html } from '../vendor/lit.js';
import { post } from '../api.js';
import { go } from '../app.js';
import { Form } from '../form.js';
import { Page, brand, notify, t } from '../ui.js';

export default class Reset extends Page {
  form = new Form(this);
  // A fragment is never sent to a server, so that no log holds the token.
  token = new URLSearchParams(location.hash.slice(1)).get('token') ?? '';

  /** @override */
  get heading() {
    return t('reset');
  }

  submit = this.form.submit(async ({ token, password }) => {
    await post('auth/reset-password', { token: token.trim(), password });
    notify(t('reset.done'));
    go('./', { replace: true });
  });

  /** @override */
  firstUpdated() {
    /** @type {HTMLElement | null} */ (this.querySelector(this.token ? '[name=password]' : 'input'))?.focus();
  }

  /** @override */
  render() {
    const { form } = this;
    return html`<section class="card narrow">
      <div class="brand big">${brand}<span>NetIgnite</span></div>
      <h1 tabindex="-1">${this.heading}</h1>
      <p class="quiet">${t('reset.text')}</p>
      <form @submit=${this.submit}>
        ${form.problem()}
        ${form.field({ name: 'token', label: t('reset.token'), value: this.token, required: true })}
        ${form.field({ name: 'password', label: t('password.new'), type: 'password', required: true, minlength: 10, autocomplete: 'new-password', hint: t('password.hint') })}
        ${form.button(t('reset.do'))}
      </form>
      <p class="quiet"><a href="./">${t('signIn')}</a></p>
    </section>`;
  }
}
customElements.define('ni-reset', Reset);
