// How a wake went: what was done and seen, in order, why it ended so, and what to look at.
import { html, nothing } from './vendor/lit.js';
import { get } from './api.js';
import { t } from './i18n.js';
import { underWay } from './live.js';
import { reasonOf, trail } from './operation.js';
import { openDialog, say } from './ui.js';

/** Reasons for which the machine and its network are to be looked at. */
const LOOK_AT = ['not_seen', 'cannot_probe'];

/** What a wake came to, and its steps. @param {import('./live.js').Wake} waking */
export const wakeStory = (waking) => {
  const { operation, error } = waking;
  if (!operation) return error ? html`<p>${say(error)}</p>` : nothing;
  return html`${waking.phase === 'silent' ? html`<p>${reasonOf(operation)}</p>` : nothing}${trail(operation)}`;
};

/** @param {import('./live.js').Wake} waking */
export async function openWhy(waking) {
  const { operation } = waking;
  if (operation && !operation.trail) waking.operation = await get(`operations/${operation.id}`);
  await openDialog(t('why.title', { name: waking.device.name }), (close) =>
    html`${wakeStory(waking)}
    ${!underWay(waking) && LOOK_AT.includes(waking.operation?.reason ?? '')
      ? html`<h3>${t('why.check')}</h3>
          <ul class="advice">
            ${['bios', 'mac', 'cable', 'network', 'address'].map((key) => html`<li>${t(`why.check.${key}`)}</li>`)}
          </ul>`
      : nothing}
    ${waking.operation ? html`<p><a href="operations/${waking.operation.id}" @click=${() => close()}>${t('operation.see')}</a></p>` : nothing}`);
}
