// One operation: its state, why it ended so, and all that happened to it.
import { html, nothing } from '../vendor/lit.js';
import { go } from '../app.js';
import { call, follow, get, may, post, readList } from '../api.js';
import { confirm } from '../dialogs.js';
import { live, operationName, operationState, reasonOf, trail } from '../operation.js';
import { ACTIONS } from '../power-menu.js';
import { Progress } from '../progress.js';
import { Page, icon, notify, notifyError, t, time } from '../ui.js';

/** The path below a device whose own agent was asked to switch it off, or the like. @param {Operation} operation */
const power = ({ deviceID, command }) => (deviceID === null ? undefined : /** @type {Record<string, string>} */ (ACTIONS)[command]);

/** Whether who is signed in may ask for the like. @param {Operation} operation */
const mayAgain = (operation) => {
  if (operation.kind === 'wake') return operation.deviceID !== null && may('devices:wake');
  return operation.agentID !== null && may(power(operation) ? 'devices:power' : 'agents:command');
};

export default class OperationPage extends Page {
  /** @type {Operation | null} */
  operation = null;
  progress = new Progress(this);
  #stop = /** @type {() => void} */ (() => undefined);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #soon;
  /** What it is about, by name. */
  device = '';
  agent = '';

  /** @override */
  get heading() {
    return this.operation ? operationName(this.operation) : t('operation');
  }

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    const stop = follow(this.#changed);
    this.#stop = () => {
      stop();
      clearTimeout(this.#soon);
    };
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.#stop();
  }

  /** @param {import('../api.js').Change[]} changes */
  #changed = (changes) => {
    for (const { type, data } of changes) {
      if (type !== 'reset' && (type !== 'operation.changed' || data.id !== this.params.uuid)) continue;
      // Its trail is not in what is passed on.
      clearTimeout(this.#soon);
      this.#soon = setTimeout(this.reload, 100);
    }
  };

  /** @override */
  async load() {
    this.operation = await get(`operations/${this.params.uuid}`);
    if (this.device || this.agent) return;
    const { deviceID, agentID } = /** @type {Operation} */ (this.operation);
    const [devices, agents] = await Promise.all([deviceID ? readList('devices') : [], agentID ? readList('agents') : []]);
    this.device = devices.find(({ id }) => id === deviceID)?.name ?? '';
    this.agent = agents.find(({ id }) => id === agentID)?.name ?? '';
  }

  cancel = async () => {
    try {
      await post(`operations/${this.params.uuid}/cancel`);
      notify(t('operation.canceled'));
    } catch (error) {
      notifyError(error);
    }
    await this.reload();
  };

  /** Asks for the same once more, after a question where that may do harm. */
  again = async () => {
    const operation = /** @type {Operation} */ (this.operation);
    const { kind, command, deviceID, agentID, payload, maxAttempts } = operation;
    const { until, timeout } = /** @type {{ until?: string, timeout?: number }} */ (payload);
    const action = t('operation.again');
    const text = t('operation.again.text', { what: this.heading, name: this.device || this.agent });
    if (kind !== 'wake' && maxAttempts === 1 && !(await confirm({ title: action, text, action }))) return;
    try {
      /** @type {Operation} */
      const next = power(operation)
        ? await call('POST', `devices/${deviceID}/${power(operation)}`, { body: payload, headers: { prefer: 'respond-async' } })
        : await post('operations', kind === 'wake' ? { kind, deviceID, until, timeout } : { kind, agentID, command, payload });
      go(`operations/${next.id}`);
    } catch (error) {
      notifyError(error);
    }
  };

  /** @override */
  content() {
    const operation = /** @type {Operation} */ (this.operation);
    const { deviceID, agentID, createdBy, attempts, maxAttempts } = operation;
    return html`<a class="back" href="operations">${icon('back')}${t('nav.operations')}</a>
      <header class="page">
        <span class="badge">${icon('operations')}</span>
        <div><h1 tabindex="-1">${this.heading}</h1>${operationState(operation)}</div>
        <span class="grow"></span>
        ${live(operation) ? html`<button @click=${this.cancel}>${icon('close')}${t('operation.cancel')}</button>` : nothing}
        ${!live(operation) && mayAgain(operation) ? html`<button @click=${this.again}>${icon('again')}${t('operation.again')}</button>` : nothing}
      </header>
      <div class="columns">
        <section class="card"><header><h2>${t('operation.trail')}</h2></header>
          <div aria-live="polite">${live(operation) ? this.progress.of(operation.id) : html`<p>${reasonOf(operation)}</p>`}</div> ${trail(operation)}</section>
        <section class="card"><header><h2>${t('details')}</h2></header>
          <dl>
            ${deviceID ? html`<dt>${t('device')}</dt><dd><a href="devices/${deviceID}">${this.device || `#${deviceID}`}</a></dd>` : nothing}
            ${agentID ? html`<dt>${t('agent')}</dt><dd><a href="agents/${agentID}">${this.agent || `#${agentID}`}</a></dd>` : nothing}
            <dt>${t('operation.by')}</dt><dd>${createdBy.name ?? '–'}</dd>
            <dt>${t('operation.at')}</dt><dd>${time(operation.createdAt)}</dd>
            <dt>${t('operation.attempts')}</dt><dd>${attempts} / ${maxAttempts}</dd>
          </dl></section>
      </div>`;
  }
}
customElements.define('ni-operation', OperationPage);
