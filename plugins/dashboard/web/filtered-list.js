// A page with a list that is asked for by filters and a part at a time. Its address holds the filters, so that a link shows
// the same.
import { html, nothing } from './vendor/lit.js';
import { Page, t } from './ui.js';

/** @template Row */
export class FilteredList extends Page {
  /** @type {Row[]} */
  list = [];
  /** Where to go on, if there is more. @type {string | null} */
  next = null;
  busy = false;
  /** What is asked for. */
  filter = Object.fromEntries(new URLSearchParams(location.search));

  /** The page's path. @returns {string} */
  get path() {
    throw new Error('abstract');
  }

  /** What a filter is called. @param {string} _filter @returns {string} */
  label(_filter) {
    throw new Error('abstract');
  }

  /** A part of the list, from its beginning or from where another ended. @param {string} [_from] @returns {Promise<{ list: Row[], next: string | null }>} */
  read(_from) {
    return Promise.reject(new Error('abstract'));
  }

  /** @override */
  async load() {
    ({ list: this.list, next: this.next } = await this.read());
  }

  more = async () => {
    this.busy = true;
    this.requestUpdate();
    try {
      const { list, next } = await this.read(this.next ?? undefined);
      this.list = [...this.list, ...list];
      this.next = next;
    } catch (error) {
      this.failure = error;
    }
    this.busy = false;
    this.requestUpdate();
  };

  /** @param {string} name @param {string} value */
  set(name, value) {
    this.filter = { ...this.filter, [name]: value };
    const kept = new URLSearchParams(Object.entries(this.filter).filter(([, value]) => value));
    history.replaceState(null, '', `${this.path}${kept.size > 0 ? `?${kept}` : ''}`);
    void this.reload();
  }

  /** A choice of one of some values, or of all. @param {string} name @param {string[]} values @param {(value: string) => string} word */
  select(name, values, word) {
    const change = (/** @type {Event} */ event) => this.set(name, /** @type {HTMLSelectElement} */ (event.target).value);
    return html`<label class="chip-select"><span class="unseen">${this.label(name)}</span>
      <select @change=${change}>
        <option value="">${this.label(`${name}.all`)}</option>
        ${values.map((value) => html`<option value=${value} ?selected=${this.filter[name] === value}>${word(value)}</option>`)}
      </select></label>`;
  }

  /** The button that shows more, if there is more. */
  showMore() {
    return this.next ? html`<button class=${this.busy ? 'busy' : ''} aria-disabled=${this.busy} @click=${this.more}>${t('showMore')}</button>` : nothing;
  }
}
