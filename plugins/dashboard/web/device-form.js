// The form with which a device is added or edited.
import { html, nothing } from './vendor/lit.js';
import { get, post, put } from './api.js';
import { openDialog } from './dialogs.js';
import { Form } from './form.js';
import { Part, problem, skeleton, t } from './ui.js';

/** The types of devices. */
const TYPES = ['server', 'desktop', 'laptop', 'printer', 'nas'];

/** A MAC address with the colons that its typist left out. @param {string} text */
function spelled(text) {
  const digits = text.replace(/[\s:.-]/g, '');
  return /^[0-9a-f]{12}$/i.test(digits) ? (digits.match(/../g) ?? []).join(':').toUpperCase() : text.trim();
}

class DeviceForm extends Part {
  /** The device that is edited; none for a new one. @type {Device | null} */
  device = null;
  /** @type {(id?: number) => void} */
  close = () => undefined;
  /** @type {Agent[] | null} */
  agents = null;
  /** @type {unknown} */
  failure = null;
  form = new Form(this);

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    get('agents')
      .then((agents) => {
        this.agents = agents;
      })
      .catch((error) => {
        this.failure = error;
      })
      .finally(() => this.requestUpdate());
  }

  save = this.form.submit(async (values) => {
    const { name, type, macAddress, agentID, description, address, port } = values;
    const body = {
      name: name.trim(),
      type,
      macAddress: spelled(macAddress),
      agentID: Number(agentID),
      description: description.trim() || null,
      address: address.trim() || null,
      port: port === '' ? undefined : Number(port),
    };
    if (this.device) {
      await put(`devices/${this.device.id}`, body);
      this.close(this.device.id);
    } else {
      this.close(await post('devices', body));
    }
  });

  /** @override */
  render() {
    if (this.failure) return problem(this.failure);
    if (!this.agents) return skeleton(5);
    const device = this.device;
    const agents = this.agents.filter((agent) => !device || agent.ownerID === device.ownerID);
    if (agents.length === 0) {
      return html`<p>${t('device.noAgent')}</p>
        <footer><a class="button primary" href="agents" @click=${() => this.close()}>${t('agents.add')}</a></footer>`;
    }
    const { form } = this;
    return html`<form @submit=${this.save}>
      ${form.problem()}
      <div class="pair">
        ${form.field({ name: 'name', label: t('name'), value: device?.name, required: true, maxlength: 100, autofocus: true })}
        ${form.field({
          name: 'type',
          label: t('type'),
          value: device?.type ?? 'desktop',
          options: TYPES.map((type) => [type, t(`device.type.${type}`)]),
        })}
      </div>
      ${form.field({
        name: 'macAddress',
        label: t('mac'),
        value: device?.macAddress,
        required: true,
        placeholder: 'AA:BB:CC:DD:EE:FF',
        hint: t('mac.hint'),
      })}
      ${form.field({
        name: 'agentID',
        label: t('agent'),
        value: device?.agentID ?? agents[0].id,
        options: agents.map(({ id, name }) => [String(id), name]),
        hint: t('device.agent.hint'),
      })}
      ${form.field({ name: 'address', label: t('address'), value: device?.address, placeholder: '192.168.1.20', hint: t('address.hint') })}
      <details ?open=${Boolean(device?.description) || (device && device.port !== 9)}>
        <summary>${t('more')}</summary>
        ${form.field({ name: 'description', label: t('description'), value: device?.description, rows: 2, maxlength: 1000 })}
        ${form.field({ name: 'port', label: t('port'), value: device?.port ?? 9, type: 'number', min: 1, max: 65535, hint: t('port.hint') })}
      </details>
      <footer>
        <button type="button" @click=${() => this.close()}>${t('cancel')}</button>
        ${form.button(t(device ? 'save' : 'devices.add'))}
      </footer>
    </form>`;
  }
}
customElements.define('ni-device-form', DeviceForm);

/**
 * Opens the form. Gives the ID of the device that was made or changed; nothing where it was closed.
 * @param {Device | null} device
 * @returns {Promise<number | undefined>}
 */
export function editDevice(device) {
  return openDialog(device ? t('device.edit', { name: device.name }) : t('devices.add'), (close) => {
    const form = new DeviceForm();
    form.device = device;
    form.close = close;
    return html`${form}${nothing}`;
  });
}
