// What the list of devices shows while there is none: the way to the first wake.
import { html, nothing } from './vendor/lit.js';
import { everyone, may } from './api.js';
import { Part, icon, t } from './ui.js';

export class FirstSteps extends Part {
  /** @type {Map<number, Agent>} */
  agents = new Map();
  add = () => Promise.resolve();

  find = async () => {
    const { discover } = await import('./discover.js');
    await discover([...this.agents.values()]);
  };

  /** @override */
  render() {
    const ready = this.agents.size > 0;
    const online = [...this.agents.values()].some(({ presence }) => presence?.state === 'online');
    return html`<section class="empty">
      <h2>${t('first.title')}</h2>
      <ol class="steps">
        <li class=${online ? 'done' : ready ? 'begun' : 'next'}>
          <div><h3>${t('first.agent')}</h3><p>${t('first.agent.text')}</p>
          ${online ? nothing : html`<a class="button ${ready ? '' : 'primary'}" href="agents${ready ? '' : '?add'}">${t(ready ? 'first.agent.see' : 'agents.add')}</a>`}</div>
        </li>
        <li class=${ready ? 'next' : ''}>
          <div><h3>${t('first.device')}</h3><p>${t('first.device.text')}</p>
          ${ready && may('devices:write')
            ? html`<div class="buttons"><button class="primary" @click=${this.add}>${t('devices.add')}</button>
                ${online && may('agents:command') ? html`<button @click=${this.find}>${icon('search')}${t('discover')}</button>` : nothing}</div>`
            : nothing}</div>
        </li>
        <li><div><h3>${t('first.wake')}</h3><p>${t('first.wake.text')}</p></div></li>
      </ol>
      ${everyone ? nothing : html`<p class="quiet">${t('first.shared')}</p>`}
    </section>`;
  }
}
customElements.define('ni-first-steps', FirstSteps);
