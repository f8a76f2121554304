// Finding what is on an agent's network, and adding what is wanted of it as devices.
import { html, nothing } from './vendor/lit.js';
import { ApiError, post, readList } from './api.js';
import { openDialog } from './dialogs.js';
import { Form } from './form.js';
import { Progress, run } from './progress.js';
import { Part, notify, problem, say, state, t, tn } from './ui.js';

/** @typedef {Api.CommandDiscoverReplyFound} Found */

/** The word of an agent that says what it understands. */
const DISCOVER = 'DISCOVER';

/** Whether an agent can look through its network now. @param {Agent} agent */
export const discovers = ({ presence, commands }) => presence?.state === 'online' && (commands?.includes(DISCOVER) ?? false);

/** MAC addresses by their digits alone. @param {string} mac */
const bare = (mac) => mac.replace(/[^0-9a-f]/gi, '').toUpperCase();

class Discover extends Part {
  /** The agents that can look. @type {Agent[]} */
  agents = [];
  /** @type {() => void} */
  close = () => undefined;
  agentID = 0;
  /** What was found; nothing while it is looked for. @type {Found[] | null} */
  hosts = null;
  truncated = false;
  /** The names of devices there are already, by the digits of their MAC address. @type {Map<string, string>} */
  known = new Map();
  picked = /** @type {Set<string>} */ (new Set());
  /** @type {unknown} */
  failure = null;
  form = new Form(this);
  progress = new Progress(this);
  /** The look that is under way. @type {string | undefined} */
  operation;
  #ended = new AbortController();

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    this.agentID ||= this.agents[0]?.id ?? 0;
    void this.look();
  }

  /** Ends the look: nobody waits for it any more. @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.#ended.abort();
  }

  look = async () => {
    const { agentID } = this;
    this.#ended.abort();
    const { signal } = (this.#ended = new AbortController());
    this.operation = undefined;
    [this.hosts, this.failure] = [null, null];
    this.picked.clear();
    this.requestUpdate();
    if (!agentID) return;
    try {
      const begun = (/** @type {string} */ id) => {
        if (!signal.aborted) this.operation = id;
      };
      const [{ result }, devices] = await Promise.all([run(agentID, DISCOVER, {}, { begun, signal }), readList('devices')]);
      if (signal.aborted) return;
      const { hosts, truncated = false } = /** @type {Api.CommandDiscoverReply} */ (result);
      [this.hosts, this.truncated] = [hosts, truncated];
      this.known = new Map(devices.map(({ macAddress, name }) => [bare(macAddress), name]));
    } catch (error) {
      if (signal.aborted) return;
      this.failure = error;
    }
    this.requestUpdate();
  };

  add = this.form.submit(async (values) => {
    const wanted = (this.hosts ?? []).filter(({ macAddress }) => this.picked.has(macAddress));
    let added = 0;
    try {
      for (const { address, macAddress } of wanted) {
        const name = values[`name ${macAddress}`].trim() || address;
        await post('devices', { name, type: 'desktop', macAddress, agentID: this.agentID, address });
        this.known.set(bare(macAddress), name);
        this.picked.delete(macAddress);
        added += 1;
      }
    } catch (error) {
      // Which one it was: the fields of this form are not the request's.
      const { macAddress, name } = wanted[added];
      if (error instanceof ApiError) throw new Error(`${name ?? macAddress}: ${error.fields.map(({ field, message }) => `${field}: ${message}`).join('; ') || say(error)}`);
      throw error;
    }
    this.close();
    notify(tn('discover.added', added));
  });

  /** @override */
  render() {
    const choose = (/** @type {Event} */ event) => {
      this.agentID = Number(/** @type {HTMLSelectElement} */ (event.target).value);
      void this.look();
    };
    if (this.agents.length === 0) {
      return html`<p>${t('discover.noAgent')}</p>
        <footer><a class="button primary" href="agents" @click=${() => this.close()}>${t('first.agent.see')}</a></footer>`;
    }
    return html`${this.agents.length > 1
        ? html`<div class="field"><label for="discover-agent">${t('discover.agent')}</label>
            <select id="discover-agent" @change=${choose}>${this.agents.map(({ id, name }) => html`<option value=${id} ?selected=${id === this.agentID}>${name}</option>`)}</select></div>`
        : nothing}
      ${problem(this.failure, this.look)}
      ${this.hosts ? this.#found(this.hosts) : this.failure ? nothing : html`<div class="waiting" role="status">${state('busy', t('discover.looking'))} ${this.progress.of(this.operation)}</div>`}`;
  }

  /** @param {Found[]} hosts */
  #found(hosts) {
    const free = hosts.filter(({ macAddress }) => !this.known.has(bare(macAddress)));
    const all = (/** @type {Event} */ event) => {
      this.picked = new Set(/** @type {HTMLInputElement} */ (event.target).checked ? free.map(({ macAddress }) => macAddress) : []);
      this.requestUpdate();
    };
    const n = this.picked.size;
    return html`<p role="status">${tn('discover.found', hosts.length)}${this.truncated ? html` ${t('discover.truncated')}` : nothing}
        ${hosts.length === 0 ? html`<span class="quiet">${t('discover.none')}</span>` : nothing}</p>
      <form @submit=${this.add}>
        ${this.form.problem()}
        ${free.length > 1 ? html`<label class="check"><input type="checkbox" .checked=${n === free.length} .indeterminate=${n > 0 && n < free.length} @change=${all} /><span>${t('discover.all')}</span></label>` : nothing}
        ${hosts.length > 0 ? html`<ul class="found" tabindex="0" aria-label=${t('discover')}>${hosts.map((host) => this.#host(host))}</ul>` : nothing}
        <footer>
          <button type="button" @click=${this.look}>${t('discover.again')}</button>
          ${n > 0 ? this.form.button(tn('discover.add', n)) : free.length > 0 ? html`<button class="primary" type="button" aria-disabled="true" disabled>${t('discover.add.none')}</button>` : nothing}
        </footer>
      </form>`;
  }

  /** @param {Found} host */
  #host({ address, macAddress, name }) {
    const there = this.known.get(bare(macAddress));
    const pick = (/** @type {Event} */ event) => {
      if (/** @type {HTMLInputElement} */ (event.target).checked) this.picked.add(macAddress);
      else this.picked.delete(macAddress);
      this.requestUpdate();
    };
    const label = name ?? address;
    return html`<li>
      <input type="checkbox" .checked=${there !== undefined || this.picked.has(macAddress)} ?disabled=${there !== undefined} @change=${pick} aria-label=${t('select', { name: label })} />
      ${there === undefined
        ? html`<input type="text" name="name ${macAddress}" .defaultValue=${label} maxlength="100" aria-label=${t('discover.name', { name: label })} autocomplete="off" spellcheck="false" />`
        : html`<span><strong>${there}</strong> <span class="tag">${t('discover.known')}</span></span>`}
      <span class="quiet">${address}<br />${macAddress}</span>
    </li>`;
  }
}
customElements.define('ni-discover', Discover);

/**
 * Opens the dialog.
 * @param {Agent[]} agents of which those are offered that can look
 */
export async function discover(agents) {
  await openDialog(t('discover'), (close) => {
    const part = new Discover();
    part.agents = agents.filter(discovers);
    part.close = () => close();
    return html`${part}`;
  }, { kind: 'wide' });
}
