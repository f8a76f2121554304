// Forms: labelled fields, one submission at a time, and errors where they belong.
import { html, nothing } from './vendor/lit.js';
import { ApiError } from './api.js';
import { icon, say, t } from './ui.js';

/** @typedef {import('./ui.js').Part} Part */

let last = 0;

/** The state of one form of a component. */
export class Form {
  busy = false;
  /** @type {unknown} */
  error = null;
  /** Messages by field. @type {Record<string, string>} */
  wrong = {};
  #prefix = `f${++last}-`;

  /** @param {Part} host */
  constructor(host) {
    this.host = host;
  }

  /**
   * What to do when the form is submitted: `work` with its values. An error is shown in the form.
   * @param {(values: Record<string, string>, form: HTMLFormElement) => Promise<unknown>} work
   * @returns {(event: SubmitEvent) => Promise<void>}
   */
  submit(work) {
    return async (event) => {
      event.preventDefault();
      if (this.busy) return;
      const form = /** @type {HTMLFormElement} */ (event.currentTarget);
      this.busy = true;
      this.error = null;
      this.wrong = {};
      this.host.requestUpdate();
      /** @type {Record<string, string>} */
      const values = {};
      for (const [name, value] of new FormData(form)) values[name] = String(value);
      try {
        await work(values, form);
      } catch (error) {
        this.failed(error, form);
      } finally {
        this.busy = false;
        this.host.requestUpdate();
        if (Object.keys(this.wrong).length > 0) {
          await this.host.updateComplete;
          /** @type {HTMLElement | null} */ (form.querySelector('[aria-invalid=true]'))?.focus();
        }
      }
    };
  }

  /** @param {unknown} error @param {HTMLFormElement} form */
  failed(error, form) {
    const fields = error instanceof ApiError ? error.fields : [];
    const here = fields.filter(({ field }) => form.elements.namedItem(field));
    this.wrong = Object.fromEntries(here.map(({ field, message }) => [field, message]));
    this.error = here.length > 0 && here.length === fields.length ? null : error;
  }

  /** What went wrong that is no field's. */
  problem() {
    return html`<div class="form-problem" role="alert">
      ${this.error ? html`${icon('warn')}<p>${say(this.error)}</p>` : nothing}
    </div>`;
  }

  /**
   * The button that submits. What it shows while busy does not change its width.
   * @param {string} words
   */
  button(words) {
    return html`<button class="primary ${this.busy ? 'busy' : ''}" aria-disabled=${this.busy}>${words}</button>`;
  }

  /**
   * A labelled field.
   * @param {{name: string, label: string, value?: string | number | null, type?: string, hint?: unknown,
   *   required?: boolean, autocomplete?: string, placeholder?: string, list?: string, min?: number, max?: number,
   *   maxlength?: number, minlength?: number, pattern?: string, inputmode?: string, autofocus?: boolean,
   *   options?: [string, string][], rows?: number, spellcheck?: boolean,
   *   input?: (event: Event) => void}} field
   */
  field(field) {
    const { name, label, value = '', type = 'text', hint, required = false, options, rows } = field;
    const id = this.#prefix + name;
    const wrong = this.wrong[name];
    const described = [hint ? `${id}-hint` : '', wrong ? `${id}-wrong` : ''].filter(Boolean).join(' ') || nothing;
    const onInput = (/** @type {Event} */ event) => {
      if (wrong) {
        delete this.wrong[name];
        this.host.requestUpdate();
      }
      field.input?.(event);
    };
    let control;
    if (options) {
      control = html`<select id=${id} name=${name} ?required=${required} aria-describedby=${described}
        aria-invalid=${wrong ? 'true' : nothing} @change=${onInput}>
        ${options.map(([key, words]) => html`<option value=${key} ?selected=${key === String(value)}>${words}</option>`)}
      </select>`;
    } else if (rows) {
      control = html`<textarea id=${id} name=${name} rows=${rows} .value=${String(value ?? '')} ?required=${required}
        maxlength=${field.maxlength ?? nothing} aria-describedby=${described}
        aria-invalid=${wrong ? 'true' : nothing} @input=${onInput}></textarea>`;
    } else {
      control = html`<input id=${id} name=${name} type=${type} .value=${String(value ?? '')} ?required=${required}
        autocomplete=${field.autocomplete ?? 'off'} placeholder=${field.placeholder ?? nothing}
        list=${field.list ?? nothing} min=${field.min ?? nothing} max=${field.max ?? nothing}
        minlength=${field.minlength ?? nothing} maxlength=${field.maxlength ?? nothing}
        pattern=${field.pattern ?? nothing} inputmode=${field.inputmode ?? nothing} ?autofocus=${field.autofocus}
        spellcheck="false" autocapitalize="off" aria-describedby=${described}
        aria-invalid=${wrong ? 'true' : nothing} @input=${onInput} />`;
    }
    return html`<div class="field">
      <label for=${id}>${label}${required || options ? nothing : html` <span class="quiet">${t('optional')}</span>`}</label>
      ${control}${hint ? html`<p class="hint" id="${id}-hint">${hint}</p>` : nothing}
      ${wrong ? html`<p class="wrong" id="${id}-wrong">${wrong}</p>` : nothing}
    </div>`;
  }
}
