// Changing one's own password.
import { html, nothing } from './vendor/lit.js';
import { put, session } from './api.js';
import { openDialog } from './dialogs.js';
import { Form } from './form.js';
import { Part, notify, t } from './ui.js';

class PasswordForm extends Part {
  form = new Form(this);
  /** The current password, where it was just typed. */
  current = '';
  /** @type {() => void} */
  close = () => undefined;

  submit = this.form.submit(async ({ currentPassword, password, endTokens }) => {
    if (!session) return;
    await put(`account/${session.userID}`, {
      username: session.username,
      favorites: session.favorites,
      password,
      currentPassword: this.current || currentPassword,
      endTokens: endTokens === 'on',
    });
    notify(t('password.changed'));
    this.close();
  });

  /** @override */
  render() {
    const { form } = this;
    return html`<form @submit=${this.submit}>
      ${form.problem()}
      <input type="text" class="unseen" autocomplete="username" .value=${session?.username ?? ''} readonly tabindex="-1" aria-hidden="true" />
      ${this.current
        ? nothing
        : form.field({ name: 'currentPassword', label: t('password.current'), type: 'password', required: true, autocomplete: 'current-password' })}
      ${form.field({ name: 'password', label: t('password.new'), type: 'password', required: true, minlength: 10, autocomplete: 'new-password', hint: t('password.hint') })}
      ${this.current ? nothing : html`<label class="check"><input type="checkbox" name="endTokens" /><span>${t('password.endTokens')}</span></label>`}
      <footer>
        <button type="button" @click=${() => this.close()}>${t(this.current ? 'later' : 'cancel')}</button>
        ${form.button(t('password.change'))}
      </footer>
    </form>`;
  }
}
customElements.define('ni-password', PasswordForm);

/** Opens the form. @param {string} [current] the current password, where it is known */
function open(current = '') {
  return openDialog(t(current ? 'password.first' : 'password.change'), (close) => {
    const form = new PasswordForm();
    form.current = current;
    form.close = close;
    return html`${current ? html`<p>${t('password.first.text')}</p>` : nothing}${form}`;
  });
}

export const changePassword = () => open();
/** Asks to replace the password that the first start wrote to a file. @param {string} current */
export const changeFirstPassword = (current) => open(current);
