// Shutting a device down, restarting it, sending it to sleep: what the agent that runs on it does, after a question.
import { html, nothing } from './vendor/lit.js';
import { call, may } from './api.js';
import { confirm } from './dialogs.js';
import { reasonOf } from './operation.js';
import { icon, notify, notifyError, t } from './ui.js';

/** The paths below a device, by the command of its agent. */
export const ACTIONS = /** @type {const} */ ({ SHUTDOWN: 'shutdown', REBOOT: 'reboot', SLEEP: 'sleep' });
/** How long the page waits for the agent's answer, in seconds. */
const PATIENCE = 20;

/**
 * Asks, and then the agent on a device.
 * @param {Device} device @param {'shutdown' | 'reboot' | 'sleep'} action @param {() => void} [done] called when it was asked for
 */
export async function ask(device, action, done) {
  const { id, name } = device;
  const sure = await confirm({ title: t(`power.${action}.what`, { name }), text: t(`power.${action}.text`), action: t(`power.${action}.what`, { name }) });
  if (!sure) return;
  try {
    /** @type {Operation} */
    const operation = await call('POST', `devices/${id}/${action}`, { body: { dedupe: 'live' }, headers: { prefer: `wait=${PATIENCE}` } });
    if (operation.state === 'succeeded') notify(t(`power.${action}.done`, { name }));
    else if (operation.endedAt === null) notify(t('power.waits', { name }));
    else notify(reasonOf(operation), { kind: 'failed' });
  } catch (error) {
    notifyError(error);
  }
  done?.();
}

/**
 * The menu, where there is an agent on the device and something that it may do.
 * @param {Device} device @param {Agent | undefined} host @param {() => void} done called when it was asked for
 */
export function powerMenu(device, host, done) {
  if (device.shared || !host || !may('devices:power')) return nothing;
  const offered = Object.entries(ACTIONS).filter(([command]) => host.commands?.includes(command));
  if (offered.length === 0) return nothing;
  return html`<button popovertarget="power-menu" aria-label=${t('power.of', { name: device.name })}>${icon('out')}${t('power')}</button>
    <div id="power-menu" class="menu" popover @click=${(/** @type {Event} */ event) => /** @type {HTMLElement} */ (event.currentTarget).hidePopover()}>
      ${host.presence?.state === 'online' ? nothing : html`<p class="quiet">${t('power.offline', { name: host.name })}</p>`}
      ${offered.map(([, action]) => html`<button class="plain" @click=${() => ask(device, action, done)}>${icon(action === 'shutdown' ? 'power' : action === 'reboot' ? 'again' : 'moon')}${t(`power.${action}`)}</button>`)}
    </div>`;
}
