// What is set of a device beyond its name and address: which agents reach it, how it is woken, and how it is looked for.
// It is read and edited where it stands.
import { html, nothing } from './vendor/lit.js';
import { ApiError, put } from './api.js';
import { copyable } from './dialogs.js';
import { Form } from './form.js';
import { Part, has, icon, lasting, t } from './ui.js';
import { notifyUndo } from './undo.js';

/** Fallback agents, and ports, at most. */
const MOST = 5;
/** How often a device can be looked for, in seconds. */
const INTERVALS = [30, 60, 300, 900, 3600, 21_600, 86_400];

/** What was typed as a list of numbers; what is no number stays as it is, and is refused. @param {string} text */
const numbers = (text) => text.split(/[\s,;]+/).filter(Boolean).map((word) => (/^\d+$/.test(word) ? Number(word) : word));

export class DeviceOptions extends Part {
  /** @type {Device} */
  device = /** @type {any} */ (null);
  /** The agents that may be chosen. @type {Agent[]} */
  agents = [];
  saved = () => Promise.resolve();
  editing = false;
  /** The fallback agents as they stand in the form. @type {number[]} */
  #fallbacks = [];
  form = new Form(this);

  edit = async () => {
    this.editing = true;
    this.#fallbacks = [...(this.device.fallbackAgentIDs ?? [])];
    this.form = new Form(this);
    this.requestUpdate();
    await this.updateComplete;
    this.querySelector('select')?.focus();
  };

  #end = async () => {
    this.editing = false;
    this.requestUpdate();
    await this.updateComplete;
    this.querySelector('button')?.focus();
  };

  save = async (/** @type {SubmitEvent} */ event) => {
    await this.form.submit(async ({ hostAgentID, probePorts, broadcastAddress, secureOn, watchInterval }) => {
      const { id, name, type, macAddress, port, agentID, ...before } = this.device;
      const device = { name, type, macAddress, port, agentID };
      const options = {
        fallbackAgentIDs: this.#fallbacks,
        hostAgentID: hostAgentID ? Number(hostAgentID) : null,
        probePorts: numbers(probePorts),
        broadcastAddress: broadcastAddress.trim() || null,
        secureOn: secureOn.trim() || null,
        watchInterval: watchInterval ? Number(watchInterval) : null,
      };
      try {
        await put(`devices/${id}`, { ...device, ...options });
      } catch (error) {
        if (error instanceof ApiError) {
          error.fields = error.fields.map(({ field, message }) => ({ field, message: has(`options.wrong.${field}`) ? t(`options.wrong.${field}`) : message }));
        }
        throw error;
      }
      await this.saved();
      const was = Object.fromEntries(Object.keys(options).map((key) => [key, /** @type {any} */ (before)[key] ?? (key === 'fallbackAgentIDs' || key === 'probePorts' ? [] : null)]));
      notifyUndo(t('saved'), () => put(`devices/${id}`, { ...device, ...was }).then(this.saved));
      await this.#end();
    })(event);
  };

  /** @param {number | null | undefined} id */
  #name(id) {
    const agent = this.agents.find((agent) => agent.id === id);
    return agent ? html`<a href="agents/${agent.id}">${agent.name}</a>` : html`<span class="quiet">–</span>`;
  }

  /** @override */
  render() {
    return html`<header>
        <h2>${t('options')}</h2>
        ${this.editing ? nothing : html`<button aria-label=${t('options.change')} @click=${this.edit}>${icon('edit')}${t('change')}</button>`}
      </header>
      ${this.editing ? this.#form() : this.#list()}`;
  }

  #list() {
    const { fallbackAgentIDs = [], hostAgentID, probePorts = [], broadcastAddress, secureOn, watchInterval } = this.device;
    const none = html`<span class="quiet">–</span>`;
    return html`<dl>
      <dt>${t('options.fallbackAgentIDs')}</dt><dd>${fallbackAgentIDs.length === 0 ? none : fallbackAgentIDs.map((id, i) => html`${i ? ', ' : ''}${this.#name(id)}`)}</dd>
      <dt>${t('options.hostAgentID')}</dt><dd>${this.#name(hostAgentID)}</dd>
      <dt>${t('options.watchInterval')}</dt><dd>${watchInterval ? t('options.every', { time: lasting(watchInterval * 1000) }) : html`<span class="quiet">${t('options.never')}</span>`}</dd>
      <dt>${t('options.probePorts')}</dt><dd>${probePorts.length > 0 ? probePorts.join(', ') : html`<span class="quiet">${t('options.usual')}</span>`}</dd>
      <dt>${t('options.broadcastAddress')}</dt><dd>${broadcastAddress ?? html`<span class="quiet">${t('options.everywhere')}</span>`}</dd>
      <dt>${t('options.secureOn')}</dt><dd>${secureOn ? copyable(secureOn, t('options.secureOn')) : none}</dd>
    </dl>`;
  }

  #form() {
    const { form, device } = this;
    const own = this.agents.map(({ id, name }) => /** @type {[string, string]} */ ([String(id), name]));
    const interval = device.watchInterval;
    const intervals = interval && !INTERVALS.includes(interval) ? [...INTERVALS, interval].sort((a, b) => a - b) : INTERVALS;
    return html`<form @submit=${this.save}>
      ${form.problem()} ${this.#chooseFallbacks()}
      ${form.field({ name: 'hostAgentID', label: t('options.hostAgentID'), value: device.hostAgentID ?? '', options: [['', '–'], ...own], hint: t('options.hostAgentID.hint') })}
      ${form.field({
        name: 'watchInterval',
        label: t('options.watchInterval'),
        value: interval ?? '',
        options: [['', t('options.never')], ...intervals.map((seconds) => /** @type {[string, string]} */ ([String(seconds), t('options.every', { time: lasting(seconds * 1000) })]))],
        hint: t('options.watchInterval.hint'),
      })}
      ${form.field({ name: 'probePorts', label: t('options.probePorts'), value: (device.probePorts ?? []).join(', '), placeholder: '22, 3389', hint: t('options.probePorts.hint') })}
      ${form.field({ name: 'broadcastAddress', label: t('options.broadcastAddress'), value: device.broadcastAddress, placeholder: '192.168.1.255', hint: t('options.broadcastAddress.hint') })}
      ${form.field({ name: 'secureOn', label: t('options.secureOn'), value: device.secureOn, placeholder: 'AA:BB:CC:DD:EE:FF', hint: t('options.secureOn.hint') })}
      <footer class="buttons">
        ${form.button(t('save'))}
        <button type="button" @click=${this.#end}>${t('cancel')}</button>
      </footer>
    </form>`;
  }

  /** The fallback agents, one after the other, and a place for one more. */
  #chooseFallbacks() {
    const chosen = this.#fallbacks;
    const left = this.agents.filter(({ id }) => id !== this.device.agentID);
    const wrong = this.form.wrong.fallbackAgentIDs;
    const places = chosen.length < MOST && chosen.length < left.length ? [...chosen, 0] : chosen;
    const change = (/** @type {number} */ at) => (/** @type {Event} */ event) => {
      const id = Number(/** @type {HTMLSelectElement} */ (event.target).value);
      if (id) chosen[at] = id;
      else chosen.splice(at, 1);
      delete this.form.wrong.fallbackAgentIDs;
      this.requestUpdate();
    };
    return html`<fieldset name="fallbackAgentIDs" class="field" aria-describedby="fallback-hint">
      <legend>${t('options.fallbackAgentIDs')} <span class="quiet">${t('optional')}</span></legend>
      ${places.map(
        (id, at) => html`<select aria-label=${t('options.fallback', { n: at + 1 })} aria-invalid=${wrong ? 'true' : nothing} .value=${String(id || '')} @change=${change(at)}>
          <option value="" ?selected=${!id}>–</option>
          ${left.filter((agent) => agent.id === id || !chosen.includes(agent.id)).map((agent) => html`<option value=${agent.id} ?selected=${agent.id === id}>${agent.name}</option>`)}
        </select>`,
      )}
      <p class="hint" id="fallback-hint">${left.length > 0 ? t('options.fallbackAgentIDs.hint') : t('options.fallbackAgentIDs.none')}</p>
      ${wrong ? html`<p class="wrong">${wrong}</p>` : nothing}
    </fieldset>`;
  }
}
customElements.define('ni-device-options', DeviceOptions);
