// One agent: its state, its commands as forms, its secret, and with whom its devices are shared.
import { html, nothing } from '../vendor/lit.js';
import { ApiError, events, follow, get, live, may, post, put, readList, remove, session } from '../api.js';
import { go } from '../app.js';
import { CommandForm } from '../command.js';
import { confirm, copyable, openDialog } from '../dialogs.js';
import { Form } from '../form.js';
import { line } from '../operation.js';
import { Progress } from '../progress.js';
import { shares } from '../shares.js';
import { Page, Part, icon, notify, notifyError, presenceState, t, when } from '../ui.js';
import { notifyUndo } from '../undo.js';

/** How many of the operations asked of it last are shown. */
const HISTORY = 10;

class AgentForm extends Part {
  form = new Form(this);
  /** @type {Agent} */
  agent = /** @type {any} */ (null);
  /** @type {(saved?: boolean) => void} */
  close = () => undefined;

  submit = this.form.submit(async ({ name, description }) => {
    await put(`agents/${this.agent.id}`, { name: name.trim(), type: this.agent.type, description: description.trim() });
    this.close(true);
  });

  /** @override */
  render() {
    const { form, agent } = this;
    return html`<form @submit=${this.submit}>
      ${form.problem()}
      ${form.field({ name: 'name', label: t('name'), value: agent.name, required: true, maxlength: 100 })}
      ${form.field({ name: 'description', label: t('description'), value: agent.description, rows: 2, maxlength: 1000 })}
      <footer><button type="button" @click=${() => this.close()}>${t('cancel')}</button>${form.button(t('save'))}</footer>
    </form>`;
  }
}
customElements.define('ni-agent-form', AgentForm);

export default class AgentPage extends Page {
  /** @type {Agent | null} */
  agent = null;
  /** @type {CommandForm[]} */
  commands = [];
  /** @type {Device[]} */
  devices = [];
  /** What was asked of the agent last. @type {Operation[]} */
  history = [];
  progress = new Progress(this);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #soon;
  /** @type {import('../shares.js').Shares | null} */
  shares = null;
  secret = '';
  #stop = /** @type {(() => void)[]} */ ([]);

  get number() {
    return Number(this.params.id);
  }

  /** @override */
  get heading() {
    return this.agent?.name ?? t('agent');
  }

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    const again = (/** @type {Event} */ event) => {
      if (!live && /** @type {CustomEvent} */ (event).detail === 'agents') void this.reload();
    };
    const minute = setInterval(() => this.requestUpdate(), 30_000);
    events.addEventListener('changed', again);
    this.#stop = [follow(this.#changed), () => clearInterval(minute), () => events.removeEventListener('changed', again)];
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    for (const stop of this.#stop) stop();
  }

  /** @param {import('../api.js').Change[]} changes */
  #changed = (changes) => {
    if (!this.loaded) return;
    for (const { type, data } of changes) {
      if (type === 'reset' || (type === 'device.changed' && (data.agentID === this.number || this.devices.some(({ id }) => id === data.id)))) void this.reload();
      if (type === 'operation.changed' && data.agentID === this.number) this.#readSoon();
      if (!type.startsWith('agent.') || data.id !== this.number) continue;
      if (data.deleted) void this.reload();
      else this.agent = data;
      this.requestUpdate();
    }
  };

  #readSoon() {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => void this.#readHistory().then(() => this.requestUpdate(), notifyError), 300);
  }

  async #readHistory() {
    this.history = await get('operations', { agentID: this.number, limit: HISTORY });
  }

  find = async () => {
    const { discover } = await import('../discover.js');
    await discover([/** @type {Agent} */ (this.agent)]);
  };

  /** @override */
  async load() {
    // From the list: the agent alone comes with its secret, and that it was shown is noted in the audit log.
    const [agents, commands, devices] = await Promise.all([readList('agents'), get('commands'), readList('devices'), this.#readHistory()]);
    this.agent = agents.find((/** @type {Agent} */ { id }) => id === this.number) ?? null;
    if (!this.agent) throw new ApiError(404, 'agent_not_found', 'Agent not found');
    this.devices = devices.filter((/** @type {Device} */ { agentID }) => agentID === this.number);
    if (this.commands.length === 0) {
      this.commands = commands.map((/** @type {Command} */ command) => {
        const form = new CommandForm();
        form.command = command;
        form.agent = this.number;
        return form;
      });
    }
    if (may('devices:share')) this.shares ??= shares(`agents/${this.number}/shares`, this.agent.name);
  }

  edit = async () => {
    const { name, type, description } = /** @type {Agent} */ (this.agent);
    const saved = await openDialog(t('edit'), (/** @type {(saved?: boolean) => void} */ close) => {
      const form = new AgentForm();
      form.agent = /** @type {Agent} */ (this.agent);
      form.close = close;
      return html`${form}`;
    });
    if (!saved) return;
    notifyUndo(t('saved'), () => put(`agents/${this.number}`, { name, type, description }).then(this.reload));
    await this.reload();
  };

  delete = async () => {
    const name = this.heading;
    const sure = await confirm({ title: t('delete.what', { name }), text: t('agent.delete.text'), action: t('delete.what', { name }) });
    if (!sure) return;
    try {
      await remove(`agents/${this.number}`);
      notify(t('deleted', { name }));
      go('agents', { replace: true });
    } catch (error) {
      notifyError(error);
    }
  };

  reveal = async () => {
    try {
      this.secret = (await get(`agents/${this.number}`)).secret ?? '';
      this.requestUpdate();
    } catch (error) {
      notifyError(error);
    }
  };

  /** @param {boolean} handOver */
  #rotate = async (handOver) => {
    const name = this.heading;
    const sure = await confirm({ title: t('secret.rotate'), text: t(handOver ? 'secret.rotate.handOver' : 'secret.rotate.text', { name }), action: t('secret.rotate') });
    if (!sure) return;
    try {
      const { secret, oldValidUntil, handedOver, problem } = await post(`agents/${this.number}/secret`, { handOver });
      this.secret = secret;
      if (handedOver) notify(t('secret.handedOver', { name }));
      else if (problem) notify(t('secret.notHandedOver', { name, problem }), { kind: 'failed' });
      else notify(t('secret.rotated', { until: when(oldValidUntil) }));
      this.requestUpdate();
    } catch (error) {
      notifyError(error);
    }
  };

  /** @override */
  content() {
    const agent = /** @type {Agent} */ (this.agent);
    const { presence } = agent;
    const kind = presence?.state ?? 'offline';
    const own = agent.ownerID === session?.userID;
    return html`<a class="back" href="agents">${icon('back')}${t('nav.agents')}</a>
      <header class="page">
        <span class="badge">${icon(agent.type === 'server' ? 'server' : 'chip')}</span>
        <div><h1 tabindex="-1">${agent.name}</h1>
          ${presenceState(presence)}</div>
        <span class="grow"></span>
        ${may('devices:write') && may('agents:command') && presence?.state === 'online' && agent.commands?.includes('DISCOVER') ? html`<button @click=${this.find}>${icon('search')}${t('discover.short')}</button>` : nothing}
        <button @click=${this.edit}>${icon('edit')}${t('edit')}</button>
      </header>
      <div class="columns">
        <section class="card">
          <header><h2>${t('commands')}</h2></header>
          ${kind === 'offline' ? html`<p class="note">${t('commands.offline')}</p>` : nothing}
          ${this.commands.map((form) => html`<details class="command"><summary><code>${form.command.name}</code></summary>${form}</details>`)}
        </section>
        <div class="stack">
          <section class="card">
            <header><h2>${t('details')}</h2></header>
            <dl>
              <dt>${t('type')}</dt><dd>${t(`agent.type.${agent.type}`)}</dd>
              <dt>ID</dt><dd>${agent.id}</dd>
              <dt>${t('address')}</dt><dd>${presence?.address ?? '–'}</dd>
              <dt>${t('agent.version')}</dt><dd>${agent.version ?? html`<span class="quiet">–</span>`}</dd>
              <dt>${t('agent.commands')}</dt><dd>${agent.commands?.join(', ') ?? html`<span class="quiet">${t('agent.commands.unknown')}</span>`}</dd>
              ${agent.description ? html`<dt>${t('description')}</dt><dd class="text">${agent.description}</dd>` : nothing}
              <dt>${t('nav.devices')}</dt>
              <dd>${this.devices.length === 0 ? html`<span class="quiet">–</span>` : this.devices.slice(0, 20).map(({ id, name }, i) => html`${i ? ', ' : ''}<a href="devices/${id}">${name}</a>`)}${this.devices.length > 20 ? ' …' : nothing}</dd>
            </dl>
          </section>
          ${own && may('agents:secret') ? this.#secret(kind) : nothing}
          ${this.shares ? html`<section class="card">${this.shares}</section>` : nothing}
        </div>
      </div>
      <section class="card"><header><h2>${t('agent.history')}</h2>
          ${this.history.length === HISTORY ? html`<a href="operations?agentID=${agent.id}">${t('operations.all')}</a>` : nothing}</header>
        ${this.history.length === 0
          ? html`<p class="quiet">${t('agent.history.none')}</p>`
          : html`<div class="rows operations flat"><ul aria-label=${t('agent.history')}>${this.history.map((one) => line(one, this.devices.find(({ id }) => id === one.deviceID)?.name ?? '', this.progress))}</ul></div>`}
      </section>
      <section class="card quiet-card"><div><h2>${t('delete')}</h2><p class="quiet">${t('agent.delete.text')}</p></div>
        <button class="danger" @click=${this.delete}>${icon('trash')}${t('delete.what', { name: agent.name })}</button></section>`;
  }

  /** @param {string} kind */
  #secret(kind) {
    return html`<section class="card">
      <header><h2>${t('secret')}</h2></header>
      ${this.secret ? copyable(this.secret, t('secret')) : html`<p class="quiet">${t('secret.text')}</p>`}
      <div class="buttons">
        ${this.secret ? nothing : html`<button @click=${this.reveal}>${icon('key')}${t('secret.reveal')}</button>`}
        ${kind === 'online' ? html`<button @click=${() => this.#rotate(true)}>${t('secret.rotate.now')}</button>` : nothing}
        <button @click=${() => this.#rotate(false)}>${t('secret.rotate')}</button>
      </div>
    </section>`;
  }
}
customElements.define('ni-agent', AgentPage);
