// Users: who may sign in, and as what.
import { html, nothing, repeat } from '../vendor/lit.js';
import { base, events, get, may, post, put, remove, session } from '../api.js';
import { confirm, copyable, openDialog } from '../dialogs.js';
import { Form } from '../form.js';
import { Page, Part, icon, notify, notifyError, number, problem, skeleton, t, time, when } from '../ui.js';

/** What a user is, in one word. @param {User} user */
const roleOf = (user) => (user.superadmin ? 'superadmin' : user.role);

class UserForm extends Part {
  form = new Form(this);
  /** @type {User | null} */
  user = null;
  /** @type {(saved?: boolean) => void} */
  close = () => undefined;

  submit = this.form.submit(async ({ username, password, role }) => {
    if (!this.user) {
      await post('admin/users', { username: username.trim(), password, role });
    } else {
      const change = { username: username.trim(), ...(password ? { password } : {}) };
      const roles = role === roleOf(this.user) ? {} : role === 'superadmin' ? { superadmin: true } : { role, ...(this.user.superadmin ? { superadmin: false } : {}) };
      await put(`admin/users/${this.user.id}`, { ...change, ...roles });
    }
    this.close(true);
  });

  /** @override */
  render() {
    const { form, user } = this;
    const grant = may('users:grant');
    const roles = ['user', ...(grant || user?.role === 'admin' ? ['admin'] : []), ...(user && (grant || user.superadmin) ? ['superadmin'] : [])];
    const password = t(user ? 'password.new' : 'password');
    return html`<form @submit=${this.submit}>
      ${form.problem()}
      ${form.field({ name: 'username', label: t('username'), value: user?.username, required: true, maxlength: 64 })}
      ${form.field({ name: 'role', label: t('role'), value: user ? roleOf(user) : 'user', options: roles.map((role) => [role, t(`role.${role}`)]), hint: t('role.hint') })}
      ${form.field({ name: 'password', label: password, type: 'password', required: !user, minlength: 10, autocomplete: 'new-password', hint: t(user ? 'users.password.hint' : 'password.hint') })}
      <footer><button type="button" @click=${() => this.close()}>${t('cancel')}</button>${form.button(t(user ? 'save' : 'users.add'))}</footer>
    </form>`;
  }
}
customElements.define('ni-user-form', UserForm);

export default class Users extends Page {
  /** @type {User[]} */
  list = [];
  text = '';
  #again = (/** @type {Event} */ event) => {
    if (/** @type {CustomEvent} */ (event).detail === 'admin') void this.reload();
  };

  /** @override */
  get heading() {
    return t('nav.users');
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
    this.list = await get('admin/users');
  }

  /** @param {User | null} user */
  #edit = async (user) => {
    const saved = await openDialog(user ? t('user.edit', { name: user.username }) : t('users.add'), (/** @type {(saved?: boolean) => void} */ close) => {
      const form = new UserForm();
      form.user = user;
      form.close = close;
      return html`${form}`;
    });
    if (!saved) return;
    notify(t(user ? 'saved' : 'user.added'));
    await this.reload();
  };

  /** @param {User} user */
  #delete = async ({ id, username: name }) => {
    const sure = await confirm({ title: t('delete.what', { name }), text: t('user.delete.text', { name }), action: t('delete.what', { name }) });
    if (!sure) return;
    await this.#do(() => remove(`admin/users/${id}`), t('deleted', { name }));
  };

  /** @param {User} user */
  #removeFactor = async ({ id, username: name }) => {
    const sure = await confirm({ title: t('user.totp', { name }), text: t('user.totp.text', { name }), action: t('user.totp.do') });
    if (sure) await this.#do(() => remove(`admin/users/${id}/totp`), t('user.totp.done', { name }));
  };

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

  /** @param {User} user */
  #reset = async ({ id, username: name }) => {
    try {
      const { token, expiresAt } = await post(`admin/users/${id}/password-reset`);
      const link = new URL('reset', base);
      link.hash = `token=${token}`;
      await openDialog(t('user.reset', { name }), () => html`<p>${t('user.reset.text', { name, until: when(expiresAt) })}</p>${copyable(link.href, t('user.reset.link'))}`);
    } catch (error) {
      notifyError(error);
    }
  };

  /** @override */
  render() {
    return html`<header class="page">
        <h1 tabindex="-1">${this.heading}${this.loaded ? html`<span class="count">${number(this.list.length)}</span>` : nothing}</h1>
        ${may('users:write') ? html`<button class="primary" @click=${() => this.#edit(null)}>${icon('plus')}${t('users.add')}</button>` : nothing}
      </header>
      ${problem(this.failure, this.reload)} ${this.loaded ? this.#rows() : this.failure ? nothing : skeleton(4)}`;
  }

  #rows() {
    const text = this.text.toLowerCase();
    const shown = this.list.filter(({ username }) => username.toLowerCase().includes(text));
    const input = (/** @type {Event} */ event) => {
      this.text = /** @type {HTMLInputElement} */ (event.target).value;
      this.requestUpdate();
    };
    return html`${this.list.length > 8
        ? html`<search class="filters"><label class="find">${icon('search')}<span class="unseen">${t('users.find')}</span>
            <input type="search" placeholder=${t('users.find')} .value=${this.text} @input=${input} autocomplete="off" /></label></search>`
        : nothing}
      <div class="rows users"><ul aria-label=${this.heading}>
        ${repeat(shown, ({ id }) => id, (user) => this.#row(user))}
      </ul></div>`;
  }

  /** @param {User} user */
  #row(user) {
    const self = user.id === session?.userID;
    const may_ = may('users:write') && (user.role === 'user' || may('users:grant'));
    const menu = `user-${user.id}`;
    return html`<li>
      <div class="name">${icon('account')}<span>${user.username}</span>${self ? html`<span class="tag">${t('you')}</span>` : nothing}</div>
      <div class="via">${t(`role.${roleOf(user)}`)}</div>
      <div class="when quiet">${user.lastLogin ? html`${t('user.lastLogin')} ${time(user.lastLogin)}` : t('user.neverIn')}${user.createdAt ? html` · ${t('user.since')} ${time(user.createdAt)}` : nothing}</div>
      <div class="act">
        ${self
          ? html`<a class="button small" href="account">${t('nav.account')}</a>`
          : may_
            ? html`<button class="small" aria-label=${t('user.edit', { name: user.username })} @click=${() => this.#edit(user)}>${t('edit')}</button>
                <button class="icon-only" popovertarget=${menu} aria-label=${t('more.of', { name: user.username })}>${icon('more')}</button>
                <div id=${menu} class="menu" popover @click=${(/** @type {Event} */ event) => /** @type {HTMLElement} */ (event.currentTarget).hidePopover()}>
                  <button class="plain" @click=${() => this.#reset(user)}>${icon('key')}${t('user.reset.do')}</button>
                  <button class="plain" @click=${() => this.#removeFactor(user)}>${icon('account')}${t('user.totp.do')}</button>
                  <button class="plain" @click=${() => this.#delete(user)}>${icon('trash')}${t('delete')}</button>
                </div>`
            : nothing}
      </div>
    </li>`;
  }
}
customElements.define('ni-users', Users);
