// Making an API token: what it may do, with which devices, and for how long. Its text is shown once.
import { html, nothing } from './vendor/lit.js';
import { get, post, session } from './api.js';
import { copyable, openDialog } from './dialogs.js';
import { Form } from './form.js';
import { Part, has, t } from './ui.js';

const DAY = 86_400_000;
/** What a token that is restricted to devices can have. */
const ON_DEVICES = ['devices:read', 'devices:wake'];
/** Devices that are offered to choose from. */
const OFFERED = 200;

class TokenForm extends Part {
  form = new Form(this);
  /** @type {() => void} */
  close = () => undefined;
  chosen = new Set(ON_DEVICES);
  restricted = false;
  /** @type {Device[]} */
  devices = [];
  abouts = /** @type {Map<string, string>} */ (new Map());
  picked = /** @type {Set<number>} */ (new Set());
  token = '';

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    get('devices').then(
      (devices) => {
        this.devices = devices.slice(0, OFFERED);
        this.requestUpdate();
      },
      () => undefined,
    );
    // What plugins bring is in no catalogue.
    if (session?.permissions.some((name) => !has(`permission.${name}`))) {
      get('permissions').then(
        (permissions) => {
          for (const { name, about } of permissions) this.abouts.set(name, about);
          this.requestUpdate();
        },
        () => undefined,
      );
    }
  }

  /** @param {string} name */
  #about = (name) => (has(`permission.${name}`) ? t(`permission.${name}`) : (this.abouts.get(name) ?? ''));

  submit = this.form.submit(async ({ name, days }) => {
    const { token } = await post('account/tokens', {
      name: name.trim(),
      permissions: [...this.chosen],
      expiresAt: days ? Date.now() + Number(days) * DAY : null,
      deviceIDs: this.restricted ? [...this.picked] : null,
    });
    this.token = token;
  });

  /** @template T @param {Set<T>} set @param {T} value */
  #toggle = (set, value) => (/** @type {Event} */ event) => {
    if (/** @type {HTMLInputElement} */ (event.target).checked) set.add(value);
    else set.delete(value);
    this.requestUpdate();
  };

  #restrict = (/** @type {Event} */ event) => {
    this.restricted = /** @type {HTMLInputElement} */ (event.target).checked;
    if (this.restricted) this.chosen = new Set([...this.chosen].filter((name) => ON_DEVICES.includes(name)));
    this.requestUpdate();
  };

  /** @override */
  render() {
    if (this.token) {
      return html`<p>${t('token.made')}</p>${copyable(this.token, t('token'))}
        <footer><button class="primary" autofocus @click=${() => this.close()}>${t('token.kept')}</button></footer>`;
    }
    const { form } = this;
    return html`<form @submit=${this.submit}>
      ${form.problem()}
      ${form.field({ name: 'name', label: t('name'), required: true, maxlength: 64, placeholder: t('token.name.example') })}
      <fieldset>
        <legend>${t('token.permissions')}</legend>
        <div class="permissions">
          ${session?.permissions.map(
            (name) =>
              html`<label class="check"><input type="checkbox" .checked=${this.chosen.has(name)} ?disabled=${this.restricted && !ON_DEVICES.includes(name)} @change=${this.#toggle(this.chosen, name)} />
                <span><code>${name}</code> <span class="quiet">${this.#about(name)}</span></span></label>`,
          )}
        </div>
      </fieldset>
      ${this.devices.length > 0
        ? html`<label class="check"><input type="checkbox" .checked=${this.restricted} @change=${this.#restrict} /><span>${t('token.restrict')}</span></label>`
        : nothing}
      ${this.restricted
        ? html`<fieldset><legend class="unseen">${t('nav.devices')}</legend><div class="permissions">
            ${this.devices.map(({ id, name }) => html`<label class="check"><input type="checkbox" .checked=${this.picked.has(id)} @change=${this.#toggle(this.picked, id)} /><span>${name}</span></label>`)}
          </div></fieldset>`
        : nothing}
      ${form.field({
        name: 'days',
        label: t('token.ends'),
        options: [
          ['', t('never')],
          ['1', t('days.1')],
          ['30', t('days.30')],
          ['365', t('days.365')],
        ],
      })}
      <footer><button type="button" @click=${() => this.close()}>${t('cancel')}</button>${form.button(t('tokens.add'))}</footer>
    </form>`;
  }
}
customElements.define('ni-token-form', TokenForm);

/** Opens the form, and shows the token that was made. */
export const createToken = () =>
  openDialog(
    t('tokens.add'),
    (close) => {
      const form = new TokenForm();
      form.close = () => close();
      return html`${form}`;
    },
    { kind: 'wide' },
  );
