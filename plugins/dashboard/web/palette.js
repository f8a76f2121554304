// Ctrl K: jumping to any page, device or agent, and waking from there.
import { html, nothing } from './vendor/lit.js';
import { may, readList } from './api.js';
import { furtherPages, pages, signOut } from './app.js';
import { openDialog } from './dialogs.js';
import { Part, deviceIcon, icon, notifyError, t } from './ui.js';
import { wake } from './wake.js';

/** Finds that are shown. */
const MOST = 12;

/** @typedef {{words: string, beside: string, icon: import('./ui.js').IconName, act: () => void, text: string}} Find */

class Palette extends Part {
  /** @type {Find[]} */
  all = [];
  text = '';
  at = 0;
  /** @type {() => void} */
  close = () => undefined;

  /** @override */
  firstUpdated() {
    this.querySelector('input')?.focus();
  }

  get finds() {
    const words = this.text.toLowerCase().split(/\s+/).filter(Boolean);
    return this.all.filter(({ text }) => words.every((word) => text.includes(word))).slice(0, MOST);
  }

  /** @param {Find | undefined} find */
  #act(find) {
    if (!find) return;
    this.close();
    find.act();
  }

  /** @param {KeyboardEvent} event */
  #keys = (event) => {
    const count = this.finds.length;
    if (event.key === 'ArrowDown') this.at = Math.min(this.at + 1, count - 1);
    else if (event.key === 'ArrowUp') this.at = Math.max(this.at - 1, 0);
    else if (event.key === 'Enter') this.#act(this.finds[this.at]);
    else return;
    event.preventDefault();
    this.requestUpdate();
  };

  /** @override */
  render() {
    const { finds } = this;
    const input = (/** @type {Event} */ event) => {
      this.text = /** @type {HTMLInputElement} */ (event.target).value;
      this.at = 0;
      this.requestUpdate();
    };
    return html`<input type="text" role="combobox" aria-expanded="true" aria-controls="finds" aria-autocomplete="list"
        aria-activedescendant=${finds.length > 0 ? `find-${this.at}` : nothing} aria-label=${t('search')} placeholder=${t('search.hint')}
        autocomplete="off" spellcheck="false" .value=${this.text} @input=${input} @keydown=${this.#keys} />
      <ul id="finds" role="listbox" aria-label=${t('search')}>
        ${finds.map(
          (find, i) =>
            html`<li id="find-${i}" role="option" aria-selected=${i === this.at} @click=${() => this.#act(find)}>
              ${icon(find.icon)}<span>${find.words}</span><span class="quiet">${find.beside}</span>
            </li>`,
        )}
      </ul>
      ${finds.length === 0 ? html`<p class="quiet">${t('search.none')}</p>` : nothing}`;
  }
}
customElements.define('ni-palette', Palette);

/** @param {Omit<Find, 'text'>} find @param {string} [more] @returns {Find} */
const found = (find, more = '') => ({ ...find, text: `${find.words} ${find.beside} ${more}`.toLowerCase() });

/** Opens it. @param {(path: string) => void} go */
export async function openPalette(go) {
  const palette = new Palette();
  const own = pages.filter(({ path, needs, open }) => !path.includes(':') && !open && (!needs || may(needs)));
  palette.all = [
    ...own.map(({ path, nav }) => found({ words: t(`nav.${path}`), beside: t('page'), icon: nav ?? 'account', act: () => go(path) })),
    ...furtherPages().map(({ href, title }) => found({ words: title, beside: t('page'), icon: 'page', act: () => location.assign(href) })),
    found({ words: t('signOut'), beside: t('action'), icon: 'out', act: () => void signOut().then(() => go('./'), notifyError) }),
  ];
  Promise.all([readList('devices'), readList('agents')]).then(([devices, agents]) => {
    palette.all = [
      ...palette.all,
      ...devices.map((/** @type {Device} */ { id, name, type, macAddress }) =>
        found({ words: name, beside: t('device'), icon: deviceIcon(type), act: () => go(`devices/${id}`) }, macAddress)),
      ...agents.map((/** @type {Agent} */ { id, name, type }) =>
        found({ words: name, beside: t('agent'), icon: type === 'server' ? 'server' : 'chip', act: () => go(`agents/${id}`) })),
      ...devices
        .filter((/** @type {Device} */ { permissions }) => !permissions || permissions.includes('wake'))
        .map((/** @type {Device} */ device) => found({ words: t('wake.what', { name: device.name }), beside: t('action'), icon: 'power', act: () => {
          go('devices');
          wake(device);
        } })),
    ];
    palette.requestUpdate();
  }, notifyError);
  await openDialog(t('search'), (close) => {
    palette.close = () => close();
    return html`${palette}`;
  }, { kind: 'bare' });
}
