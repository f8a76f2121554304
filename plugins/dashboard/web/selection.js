// What is done with several devices at once: the bar that is there while some are selected.
import { html } from './vendor/lit.js';
import { deleteDevices } from './delete-devices.js';
import { wakeable } from './pages/devices.js';
import { icon, t, tn } from './ui.js';
import { wake } from './wake.js';

/** @param {Device[]} devices those that are selected @param {() => void} clear selects none */
export function bar(devices, clear) {
  const wakeAll = () => {
    for (const device of devices.filter(wakeable)) wake(device);
    clear();
  };
  const deleteAll = async () => {
    if (await deleteDevices(devices.filter(({ shared }) => !shared))) clear();
  };
  return html`<div class="bar" role="region" aria-label=${t('selection')}>
    <strong>${tn('selected', devices.length)}</strong>
    <button class="primary" @click=${wakeAll}>${icon('power')}${t('wake')}</button>
    <button @click=${deleteAll}>${icon('trash')}<span>${t('delete')}</span></button>
    <button class="icon-only" aria-label=${t('selection.clear')} @click=${clear}>${icon('close')}</button>
  </div>`;
}
