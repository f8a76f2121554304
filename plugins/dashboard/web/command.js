// A command as a form made from its JSON Schema, and its reply. It serves any command that is registered.
import { html, nothing } from './vendor/lit.js';
import { Form } from './form.js';
import { Progress, run } from './progress.js';
import { schemaField } from './schema-form.js';
import { fields, read, words } from './schema.js';
import { Part, has, lasting, state, t, whenExactly } from './ui.js';

/** Replies that are kept in sight. */
const KEPT = 5;

export class CommandForm extends Part {
  /** @type {Command} */
  command = /** @type {any} */ (null);
  agent = 0;
  form = new Form(this);
  /** @type {{at: number, took: number, data: unknown}[]} */
  replies = [];
  /** The operation that is waited for. @type {string | undefined} */
  operation;
  progress = new Progress(this);

  submit = this.form.submit(async (values) => {
    const payload = read(fields(this.command.payload), values);
    const begun = (/** @type {string} */ id) => {
      this.operation = id;
      this.requestUpdate();
    };
    try {
      const { result, startedAt, createdAt, endedAt } = await run(this.agent, this.command.name, payload, { begun });
      const took = (endedAt ?? Date.now()) - (startedAt ?? createdAt);
      this.replies = [{ at: Date.now(), took, data: result }, ...this.replies].slice(0, KEPT);
    } finally {
      this.operation = undefined;
    }
  });

  /** @override */
  render() {
    const { form, command } = this;
    const description = `command.${command.name}`;
    return html`<form @submit=${this.submit}>
        <p class="quiet">${has(description) ? t(description) : command.summary}</p>
        ${form.problem()}
        ${fields(command.payload).map((field) => schemaField(form, field))}
        ${form.button(t('command.send'))}
      </form>
      ${this.operation ? html`<div class="waiting" role="status">${state('busy', t('command.waiting'))} ${this.progress.of(this.operation)}</div>` : nothing}
      <div aria-live="polite">
        ${this.replies.map(
          ({ at, took, data }) =>
            html`<div class="reply">
              <p class="quiet">${whenExactly(at)} · ${took < 1000 ? `${Math.round(took)} ms` : lasting(took)}</p>
              ${shown(data)}
            </div>`,
        )}
      </div>`;
  }
}
customElements.define('ni-command', CommandForm);

/**
 * A reply, whatever its shape.
 * @param {unknown} value
 * @returns {unknown}
 */
export function shown(value) {
  if (value === null || value === undefined) return html`<span class="quiet">–</span>`;
  if (typeof value === 'boolean') return t(value ? 'yes' : 'no');
  if (Array.isArray(value)) {
    if (value.length === 0) return html`<span class="quiet">–</span>`;
    const objects = value.every((one) => one && typeof one === 'object' && !Array.isArray(one));
    return objects ? table(value) : html`<ul class="plain-list">${value.map((one) => html`<li>${shown(one)}</li>`)}</ul>`;
  }
  if (typeof value === 'object') {
    const entries = Object.entries(value);
    if (entries.length === 0) return html`<span class="quiet">${t('command.empty')}</span>`;
    return html`<dl>${entries.map(([name, one]) => html`<dt>${words(name)}</dt><dd>${word(name, one)}</dd>`)}</dl>`;
  }
  return String(value);
}

/** @param {string} name @param {unknown} value */
function word(name, value) {
  if (name === 'online' && (value === 'online' || value === 'offline' || value === 'unknown')) {
    return state(value, t(`state.${value}`));
  }
  return name === 'status' && value === 'OK' ? state('online', 'OK') : shown(value);
}

/** @param {Record<string, unknown>[]} rows */
function table(rows) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return html`<div class="scroll"><table>
    <thead><tr>${names.map((name) => html`<th scope="col">${words(name)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${names.map((name) => html`<td>${shown(row[name])}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}
