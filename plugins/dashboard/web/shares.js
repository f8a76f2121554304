// With whom a device, or all devices of an agent, are shared, and sharing them.
import { html, nothing } from './vendor/lit.js';
import { get, post, remove } from './api.js';
import { confirm, openDialog } from './dialogs.js';
import { Form } from './form.js';
import { Part, icon, notify, notifyError, problem, skeleton, t, time } from './ui.js';
import { notifyUndo } from './undo.js';

const DAY = 86_400_000;

class ShareForm extends Part {
  form = new Form(this);
  path = '';
  /** @type {(share?: Share) => void} */
  close = () => undefined;

  submit = this.form.submit(async ({ username, permissions, days }) => {
    const expiresAt = days ? Date.now() + Number(days) * DAY : null;
    this.close(await post(this.path, { username: username.trim(), permissions: permissions.split(','), expiresAt }));
  });

  /** @override */
  render() {
    const { form } = this;
    return html`<form @submit=${this.submit}>
      ${form.problem()}
      ${form.field({ name: 'username', label: t('username'), required: true, maxlength: 64, hint: t('share.username.hint') })}
      ${form.field({
        name: 'permissions',
        label: t('share.right'),
        value: 'view,wake',
        options: [
          ['view,wake', t('share.right.wake')],
          ['view', t('share.right.view')],
        ],
      })}
      ${form.field({
        name: 'days',
        label: t('share.ends'),
        options: [
          ['', t('never')],
          ['1', t('days.1')],
          ['7', t('days.7')],
          ['30', t('days.30')],
        ],
      })}
      <footer>
        <button type="button" @click=${() => this.close()}>${t('cancel')}</button>
        ${form.button(t('share'))}
      </footer>
    </form>`;
  }
}
customElements.define('ni-share-form', ShareForm);

export class Shares extends Part {
  /** Where the shares are, such as `devices/7/shares`. */
  path = '';
  /** What is shared, by name. */
  name = '';
  /** @type {Share[] | null} */
  list = null;
  /** @type {unknown} */
  failure = null;

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    void this.reload();
  }

  reload = async () => {
    try {
      this.list = await get(this.path);
      this.failure = null;
    } catch (error) {
      this.failure = error;
    }
    this.requestUpdate();
  };

  add = async () => {
    const share = await openDialog(t('share.what', { name: this.name }), (/** @type {(share?: Share) => void} */ close) => {
      const form = new ShareForm();
      form.path = this.path;
      form.close = close;
      return html`${form}`;
    });
    if (!share) return;
    notify(t('share.done', { name: this.name, username: share.username }));
    await this.reload();
  };

  /** @param {Share} share */
  async #remove(share) {
    const { id, username, permissions, expiresAt } = share;
    const sure = await confirm({
      title: t('share.end', { username }),
      text: t('share.end.text', { name: this.name, username }),
      action: t('share.end.do', { username }),
    });
    if (!sure) return;
    try {
      await remove(`${this.path}/${id}`);
      notifyUndo(t('share.ended', { name: this.name, username }), () => post(this.path, { username, permissions, expiresAt }).then(this.reload));
    } catch (error) {
      notifyError(error);
    }
    await this.reload();
  }

  /** @override */
  render() {
    return html`<header>
        <h2>${t('shares')}</h2>
        <button @click=${this.add}>${icon('share')}${t('share')}</button>
      </header>
      ${problem(this.failure, this.reload)}
      ${this.list === null && !this.failure ? skeleton(2) : nothing}
      ${this.list?.length === 0 ? html`<p class="quiet">${t('shares.none')}</p>` : nothing}
      <ul class="plain-list">
        ${this.list?.map(
          (share) =>
            html`<li>
              <strong>${share.username}</strong>
              <span>${t(share.permissions.includes('wake') ? 'share.right.wake' : 'share.right.view')}</span>
              <span class="quiet">${share.expiresAt ? html`${t('ends')} ${time(share.expiresAt)}` : nothing}</span>
              <button class="icon-only" aria-label=${t('share.end.do', { username: share.username })} @click=${() => this.#remove(share)}>${icon('trash')}</button>
            </li>`,
        )}
      </ul>`;
  }
}
customElements.define('ni-shares', Shares);

/** The shares of something. @param {string} path @param {string} name */
export function shares(path, name) {
  const part = new Shares();
  part.path = path;
  part.name = name;
  return part;
}
