// What is shown where there is no page.
import { html } from '../vendor/lit.js';
import { Page, t } from '../ui.js';

export default class Nothing extends Page {
  /** @override */
  get heading() {
    return t('nothing');
  }

  /** @override */
  render() {
    return html`<section class="empty small">
      <h1 tabindex="-1">${this.heading}</h1>
      <p>${t('nothing.text')}</p>
      <a class="button" href="./">${t('nav.devices')}</a>
    </section>`;
  }
}
customElements.define('ni-nothing', Nothing);
