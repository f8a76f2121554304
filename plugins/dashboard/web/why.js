// Why a device did not wake: what was done and seen, in order, and what to look at.
import { html, nothing } from './vendor/lit.js';
import { lasting, t } from './i18n.js';
import { openDialog } from './ui.js';

/** The steps of a wake. @param {import('./live.js').Wake} waking */
export const trail = ({ steps, begun }) =>
  html`<ol class="trail">
    ${steps.map(({ at, words }) => html`<li><span class="quiet">${at - begun < 500 ? '0' : `+${lasting(at - begun)}`}</span><span>${words}</span></li>`)}
  </ol>`;

/** @param {import('./live.js').Wake} waking */
export const openWhy = (waking) =>
  openDialog(t('why.title', { name: waking.device.name }), () =>
    html`${trail(waking)}
    ${waking.phase === 'silent'
      ? html`<h3>${t('why.check')}</h3>
          <ul class="advice">
            ${['bios', 'mac', 'cable', 'network', 'address'].map((key) => html`<li>${t(`why.check.${key}`)}</li>`)}
          </ul>`
      : nothing}`);
