// One device: its state and action, what it is, and with whom it is shared.
import { html, nothing } from '../vendor/lit.js';
import { events, follow, get, live, may, put, readList, remove, see, seen, session, wakes } from '../api.js';
import { go } from '../app.js';
import { editDevice } from '../device-form.js';
import { DeviceOptions } from '../device-options.js';
import { confirm, copyable } from '../dialogs.js';
import { toggleFavorite } from '../favorites.js';
import { watchDevices } from '../looks.js';
import { operationState } from '../operation.js';
import { powerMenu } from '../power-menu.js';
import { shares } from '../shares.js';
import { Timeline } from '../timeline.js';
import { notifyUndo } from '../undo.js';
import { Page, deviceIcon, icon, notify, notifyError, seenState, state, t, time } from '../ui.js';
import { wakeStory } from '../why.js';
import { star, actionButton } from './devices.js';

/** @typedef {Share & {type: 'device' | 'agent', sharedID: number | null, ownerName: string}} Given */

export default class DevicePage extends Page {
  /** @type {Device | null} */
  device = null;
  /** @type {Agent | null} */
  agent = null;
  options = new DeviceOptions();
  timeline = new Timeline();
  /** The newest wake that the server knows, with its steps. @type {Operation | null} */
  woken = null;
  /** @type {import('../shares.js').Shares | null} */
  shares = null;
  /** The shares that bring the device within the user's reach. @type {Given[]} */
  given = [];
  #stop = /** @type {(() => void)[]} */ ([]);

  get number() {
    return Number(this.params.id);
  }

  /** @override */
  get heading() {
    return this.device?.name ?? t('device');
  }

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    const update = () => this.requestUpdate();
    const again = (/** @type {Event} */ event) => {
      if (!live && /** @type {CustomEvent} */ (event).detail === 'devices') void this.reload();
    };
    const second = setInterval(update, 1000);
    events.addEventListener('wakes', update);
    events.addEventListener('changed', again);
    this.#stop = [
      follow(this.#changed),
      watchDevices(() => [this.number]),
      () => clearInterval(second),
      () => events.removeEventListener('wakes', update),
      () => events.removeEventListener('changed', again),
    ];
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    for (const stop of this.#stop) stop();
  }

  /** @param {import('../api.js').Change[]} changes */
  #changed = (changes) => {
    const again = (/** @type {import('../api.js').Change} */ { type, data }) => type === 'reset' || (type === 'device.changed' && data.id === this.number);
    if (this.loaded && changes.some(again)) void this.reload();
    for (const { type, data } of changes) {
      if (type === 'device.presence' && data.id === this.number && this.device) this.device.presence = data.presence;
      if (!type.startsWith('agent.') || data.deleted) continue;
      this.options.agents = this.options.agents.map((agent) => (agent.id === data.id ? data : agent));
    }
    this.requestUpdate();
  };

  /** What the newest wake came to, also one from elsewhere. @param {Operation[]} operations */
  #wakes = async (operations) => {
    const newest = operations.find(({ kind }) => kind === 'wake') ?? null;
    if (newest && (newest.id !== this.woken?.id || newest.state !== this.woken.state)) {
      this.woken = newest.state === 'succeeded' ? newest : await get(`operations/${newest.id}`).catch(() => newest);
    }
    this.requestUpdate();
  };

  /** @override */
  async load() {
    this.device = await get(`devices/${this.number}`);
    see(this.number, this.device?.presence);
    const { agentID, shared, name } = /** @type {Device} */ (this.device);
    this.timeline.device = this.number;
    this.timeline.read = this.#wakes;
    if (!shared && agentID && may('agents:read')) {
      const agents = await readList('agents');
      this.agent = agents.find((/** @type {Agent} */ { id }) => id === agentID) ?? null;
      const device = /** @type {Device} */ (this.device);
      Object.assign(this.options, { device, agents: agents.filter(({ ownerID }) => ownerID === device.ownerID), saved: this.reload }).requestUpdate();
    }
    if (shared) {
      /** @type {Given[]} */
      const given = await get('shares');
      const fits = (/** @type {Given} */ { username, ownerName, type, sharedID }) =>
        username === session?.username && ownerName === this.device?.ownerName && (type === 'agent' || sharedID === this.number);
      this.given = given.filter(fits);
    }
    if (!shared && may('devices:share')) this.shares ??= shares(`devices/${this.number}/shares`, name);
  }

  edit = async () => {
    const { name, type, macAddress, agentID, description, address, port } = /** @type {Device} */ (this.device);
    if (!(await editDevice(this.device))) return;
    notifyUndo(t('saved'), () => put(`devices/${this.number}`, { name, type, macAddress, agentID, description: description ?? null, address: address ?? null, port: port ?? undefined }).then(this.reload));
    await this.reload();
  };

  star = async () => {
    const kept = toggleFavorite(this.number);
    this.requestUpdate();
    await kept.catch(notifyError);
    this.requestUpdate();
  };

  delete = async () => {
    const { name } = /** @type {Device} */ (this.device);
    const sure = await confirm({
      title: t('delete.what', { name }),
      text: t('device.delete.text'),
      action: t('delete.what', { name }),
    });
    if (!sure) return;
    try {
      await remove(`devices/${this.number}`);
      notify(t('deleted', { name }));
      go('devices', { replace: true });
    } catch (error) {
      notifyError(error);
    }
  };

  /** @param {Given} share */
  #leave = async ({ id, ownerName: name }) => {
    const sure = await confirm({ title: t('shared.leave'), text: t('shared.leave.text', { name }), action: t('shared.leave') });
    if (!sure) return;
    try {
      await remove(`shares/${id}`);
      notify(t('shared.left'));
      go('devices', { replace: true });
    } catch (error) {
      notifyError(error);
    }
  };

  #given() {
    if (this.given.length === 0) return nothing;
    return html`<section class="card"><header><h2>${t('shared.title')}</h2></header>
      <ul class="plain-list">
        ${this.given.map(
          (share) =>
            html`<li><span>${t(`shared.${share.type}`, { name: share.ownerName })}</span>
              <span class="quiet">${t(share.permissions.includes('wake') ? 'share.right.wake' : 'share.right.view')}${share.expiresAt ? html` · ${t('ends')} ${time(share.expiresAt)}` : nothing}</span>
              <button class="small" @click=${() => this.#leave(share)}>${t('shared.leave')}</button></li>`,
        )}
      </ul></section>`;
  }

  /** The last wake: of this page, which is known step by step, or what the server knows. @param {import('../wake.js').Wake | undefined} waking */
  #wake(waking) {
    const story = (/** @type {unknown} */ now, /** @type {Parameters<typeof wakeStory>[0]} */ wake, /** @type {unknown} */ cancel = nothing) =>
      html`<section class="card"><header><h2>${t('wake.last')}</h2>${now}${cancel}</header>
        ${wakeStory(wake)}${wake.operation ? html`<p><a href="operations/${wake.operation.id}">${t('operation.see')}</a></p>` : nothing}</section>`;
    if (waking) return story(state(...waking.shown), waking, waking.underWay ? waking.withdraw : nothing);
    // One that went well is a line of the list below.
    if (!this.woken || this.woken.state === 'succeeded') return nothing;
    const failed = this.woken.state !== 'canceled' && this.woken.endedAt !== null;
    return story(operationState(this.woken), { phase: failed ? 'silent' : '', operation: this.woken });
  }

  /** How and when it was seen last. @param {Device} device */
  #seen({ presence }) {
    if (!presence || (!presence.method && !presence.checkedAt)) return nothing;
    return html`<dt>${t(presence.method ? 'device.seen' : 'device.found')}</dt>
      <dd>${presence.method ? t(`device.seen.${presence.method}`) : t(`device.why.${presence.why}`)}${presence.checkedAt ? html` <span class="quiet">· ${t('device.checked')} ${time(presence.checkedAt)}</span>` : nothing}</dd>`;
  }

  /** @override */
  content() {
    const device = /** @type {Device} */ (this.device);
    const waking = wakes.get(device.id);
    const own = !device.shared && may('devices:write');
    const now = waking?.underWay ? state(...waking.shown) : seenState(seen.get(device.id));
    return html`<a class="back" href="devices">${icon('back')}${t('nav.devices')}</a>
      <header class="page">
        <span class="badge">${icon(deviceIcon(device.type))}</span>
        <div><h1 tabindex="-1">${device.name}</h1>${now}</div>
        ${star(device, this.star)}
        <span class="grow"></span>
        ${powerMenu(device, this.options.agents.find(({ id }) => id === device.hostAgentID), () => this.timeline.reloadSoon())}
        <div class="act big">${actionButton(device, waking)}</div>
      </header>
      ${this.#wake(waking)}
      ${this.timeline}
      <div class="columns">
        <section class="card">
          <header>
            <h2>${t('details')}</h2>
            ${own ? html`<button @click=${this.edit}>${icon('edit')}${t('edit')}</button>` : nothing}
          </header>
          <dl>
            <dt>${t('type')}</dt><dd>${t(`device.type.${device.type}`)}</dd>
            <dt>${t('mac')}</dt><dd>${copyable(device.macAddress, t('mac'))}</dd>
            <dt>${t('address')}</dt><dd>${device.address ? copyable(device.address, t('address')) : html`<span class="quiet">${t('address.none')}</span>`}</dd>
            <dt>${t('port')}</dt><dd>${device.port ?? html`<span class="quiet">–</span>`}</dd>
            <dt>${t(device.shared ? 'owner' : 'agent')}</dt>
            <dd>${device.shared ? device.ownerName : this.agent ? html`<a href="agents/${this.agent.id}">${this.agent.name}</a>` : html`<span class="quiet">–</span>`}</dd>
            ${this.#seen(device)}
            ${device.description ? html`<dt>${t('description')}</dt><dd class="text">${device.description}</dd>` : nothing}
          </dl>
        </section>
        ${own && this.agent ? html`<section class="card">${this.options}</section>` : nothing}
        ${this.shares ? html`<section class="card">${this.shares}</section>` : nothing} ${this.#given()}
      </div>
      ${own
        ? html`<section class="card quiet-card"><div><h2>${t('delete')}</h2><p class="quiet">${t('device.delete.text')}</p></div>
            <button class="danger" @click=${this.delete}>${icon('trash')}${t('delete.what', { name: device.name })}</button></section>`
        : nothing}`;
  }
}
customElements.define('ni-device', DevicePage);
