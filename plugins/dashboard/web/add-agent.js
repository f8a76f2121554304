// Adding an agent, in one dialog: a code for a machine that makes its own agent, or the settings of an ESP32; and
// waiting until it connects.
import { html, nothing } from './vendor/lit.js';
import { base, follow, post, readList } from './api.js';
import { copyable, openDialog } from './dialogs.js';
import { Form } from './form.js';
import { qr } from './qr.js';
import { Part, announce, icon, problem, state, t, time } from './ui.js';

/** A secret for an agent that cannot make its own: 160 bits in letters that are hard to mistake. */
function freshSecret() {
  const letters = 'abcdefghijkmnpqrstuvwxyz23456789';
  const random = crypto.getRandomValues(new Uint8Array(32));
  return [...random].map((byte) => letters[byte & 31]).join('');
}

class AddAgent extends Part {
  /** @type {(added?: boolean) => void} */
  close = () => undefined;
  /** @type {'server' | 'microcontroller'} */
  kind = 'server';
  /** @type {EnrolmentCode | null} */
  code = null;
  /** The agent whose settings are shown. @type {{id: number, secret: string} | null} */
  made = null;
  /** The agent that is waited for, once it is there. @type {Agent | null} */
  agent = null;
  online = false;
  /** @type {unknown} */
  failure = null;
  form = new Form(this);
  /** @type {Set<number> | null} */
  #known = null;
  /** @type {() => void} */
  #stop = () => undefined;

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    // What is said of agents; without a stream, now and then.
    this.#stop = follow((changes) => {
      if (changes.some(({ type }) => type.startsWith('agent.') || type === 'reset')) void this.#look();
    });
    void this.#look();
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.#stop();
  }

  async #look() {
    if (this.online) return;
    /** @type {Agent[]} */
    const list = await readList('agents');
    this.#known ??= new Set(list.map(({ id }) => id));
    const known = this.#known;
    const wanted = this.made?.id;
    this.agent = list.find(({ id }) => (wanted ? id === wanted : !known.has(id))) ?? null;
    this.online = this.agent?.presence?.state === 'online';
    if (this.online) announce(t('add.online', { name: this.agent?.name }));
    this.requestUpdate();
  }

  makeCode = async () => {
    this.failure = null;
    try {
      // What is there already is not what is waited for.
      this.#known ??= new Set((await readList('agents')).map((/** @type {Agent} */ { id }) => id));
      this.code = await post('agents/enrolment-codes', { type: 'server' });
    } catch (error) {
      this.failure = error;
    }
    this.requestUpdate();
  };

  makeAgent = this.form.submit(async ({ name, description }) => {
    const secret = freshSecret();
    const id = await post('agents', { name: name.trim(), description: description.trim(), type: 'microcontroller', secret });
    this.made = { id, secret };
  });

  /** @override */
  render() {
    if (this.online) return this.#done();
    const choose = (/** @type {'server' | 'microcontroller'} */ kind) => {
      this.kind = kind;
      this.requestUpdate();
    };
    const begun = this.code || this.made;
    return html`${begun
        ? nothing
        : html`<fieldset class="choice">
            <legend class="unseen">${t('type')}</legend>
            ${/** @type {const} */ (['server', 'microcontroller']).map(
              (kind) =>
                html`<label>
                  <input type="radio" name="kind" ?autofocus=${kind === this.kind} .checked=${kind === this.kind} @change=${() => choose(kind)} />
                  ${icon(kind === 'server' ? 'server' : 'chip')}
                  <span><strong>${t(`agent.type.${kind}`)}</strong><span class="quiet">${t(`add.${kind}`)}</span></span>
                </label>`,
            )}
          </fieldset>`}
      ${problem(this.failure, this.makeCode)}
      ${this.code ? this.#command(this.code) : this.made ? this.#settings(this.made) : this.kind === 'server' ? this.#begin() : this.#esp32()}
      ${begun ? this.#waiting() : nothing}`;
  }

  #begin() {
    return html`<footer>
      <button @click=${() => this.close()}>${t('cancel')}</button>
      <button class="primary" @click=${this.makeCode}>${t('add.code')}</button>
    </footer>`;
  }

  /** @param {EnrolmentCode} code */
  #command({ code, expiresAt }) {
    const server = base.href.replace(/\/$/, '');
    const command = `NETIGNITE_ENROLMENT_CODE=${code} netignite agent enroll --server ${server}`;
    return html`<ol class="steps plain-steps">
      <li class=${this.agent ? 'done' : 'next'}><div><h3>${t('add.run')}</h3><p>${t('add.run.text')}</p>
        ${copyable(command, t('add.command'))}
        <div class="with-qr">${qr(command, t('add.qr'))}
          <div><p class="quiet">${t('add.code.text')}</p><p class="code">${code}</p>
          <p class="quiet">${t('add.expires')} ${time(expiresAt)}</p></div></div></div></li>
      <li class=${this.agent ? 'next' : ''}><div><h3>${t('add.start')}</h3><p>${t('add.start.text')}</p></div></li>
    </ol>`;
  }

  #esp32() {
    const { form } = this;
    return html`<form @submit=${this.makeAgent}>
      ${form.problem()}
      ${form.field({ name: 'name', label: t('name'), required: true, maxlength: 100 })}
      ${form.field({ name: 'description', label: t('description'), maxlength: 1000 })}
      <footer>
        <button type="button" @click=${() => this.close()}>${t('cancel')}</button>
        ${form.button(t('agents.add'))}
      </footer>
    </form>`;
  }

  /** @param {{id: number, secret: string}} made */
  #settings({ id, secret }) {
    const secure = base.protocol === 'https:';
    const settings = {
      host: base.hostname,
      port: base.port || (secure ? '443' : '80'),
      path: `${base.pathname}api/agent-control-service`,
      tls: t(secure ? 'yes' : 'no'),
      id: String(id),
      secret,
    };
    return html`<p>${t('add.settings')}</p>
      <dl class="settings">
        ${Object.entries(settings).map(([key, value]) => html`<dt>${t(`add.setting.${key}`)}</dt><dd>${copyable(value, t(`add.setting.${key}`))}</dd>`)}
      </dl>`;
  }

  #waiting() {
    const words = this.agent && this.code ? t('add.made', { name: this.agent.name }) : t('add.waiting');
    return html`<div class="waiting" role="status">${state('busy', words)}</div>
      <footer><button @click=${() => this.close(true)}>${t('close')}</button></footer>`;
  }

  #done() {
    return html`<div class="success" role="status">${state('online', t('add.online', { name: this.agent?.name }))}</div>
      <p>${t('add.next')}</p>
      <footer>
        <a class="button" href="agents/${this.agent?.id}" @click=${() => this.close(true)}>${t('add.see')}</a>
        <a class="button primary" href="devices" @click=${() => this.close(true)}>${t('add.toDevices')}</a>
      </footer>`;
  }
}
customElements.define('ni-add-agent', AddAgent);

/** Opens the dialog. */
export const addAgent = () =>
  openDialog(
    t('agents.add'),
    (close) => {
      const part = new AddAgent();
      part.close = /** @type {(added?: boolean) => void} */ (close);
      return html`${part}`;
    },
    { kind: 'wide' },
  );
