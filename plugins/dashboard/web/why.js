// How a wake went: what was done and seen, in order, why it ended so, and what to look at.
import { html, nothing } from './vendor/lit.js';
import { get } from './api.js';
import { openDialog } from './dialogs.js';
import { reasonOf, trail } from './operation.js';
import { say, t } from './ui.js';

/** What is to be looked at, by the reason for which a wake failed. @type {Record<string, string[]>} */
const CHECKS = {
  not_seen: ['bios', 'mac', 'cable', 'network', 'address', 'time'],
  cannot_probe: ['address', 'hostAgent', 'update'],
  other_device_answers: ['newAddress', 'noAddress'],
  agent_offline: ['agentRuns', 'fallback'],
};

/** What a wake came to, and its steps. @param {{phase: string, operation: Operation | null, error?: unknown}} waking */
export const wakeStory = (waking) => {
  const { operation, error } = waking;
  if (!operation) return error ? html`<p>${say(error)}</p>` : nothing;
  return html`${waking.phase === 'silent' ? html`<p>${reasonOf(operation)}</p>${advice(operation)}` : nothing}${operation.trail ? trail(operation) : nothing}`;
};

/** What to look at after a wake that failed. @param {Operation} operation */
function advice({ reason }) {
  const checks = CHECKS[reason ?? ''];
  return checks
    ? html`<h3>${t('why.check')}</h3><ul class="advice">${checks.map((key) => html`<li>${t(`why.check.${key}`)}</li>`)}</ul>`
    : nothing;
}

/** @param {import('./wake.js').Wake} waking */
export async function openWhy(waking) {
  const { operation } = waking;
  if (operation && !operation.trail) waking.operation = await get(`operations/${operation.id}`);
  await openDialog(t('why.title', { name: waking.device.name }), (close) =>
    html`${wakeStory(waking)}
    ${waking.operation ? html`<p><a href="operations/${waking.operation.id}" @click=${() => close()}>${t('operation.see')}</a></p>` : nothing}`);
}
