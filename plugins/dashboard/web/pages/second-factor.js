// The second factor that the server's configuration demands before anything else.
import { html } from '../vendor/lit.js';
import { loadSession } from '../api.js';
import { signOut } from '../app.js';
import { TotpSetup } from '../totp.js';
import { Page, notifyError, t } from '../ui.js';

export default class SecondFactor extends Page {
  setup = new TotpSetup();

  /** @override */
  get heading() {
    return t('totp.forced');
  }

  /** @override */
  render() {
    this.setup.done = () => void loadSession();
    return html`<section class="card narrow">
      <h1 tabindex="-1">${this.heading}</h1>
      <p class="quiet">${t('totp.forced.text')}</p>
      ${this.setup}
      <p class="quiet"><button class="plain small" @click=${() => signOut().catch(notifyError)}>${t('signOut')}</button></p>
    </section>`;
  }
}
customElements.define('ni-second-factor', SecondFactor);
