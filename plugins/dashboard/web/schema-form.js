// A field of a JSON Schema as a control of a form: for commands, and for calls of the API.
import { html, nothing } from './vendor/lit.js';

/** Names of what nobody is to read over one's shoulder. */
const SECRET = /password|secret(?!On)/i;

/**
 * The control of one field.
 * @param {import('./form.js').Form} form
 * @param {import('./schema.js').Field} field
 * @param {string} [prefix] what its name in the form begins with
 */
export function schemaField(form, { path, kind, label, description, required, options, min, max, minLength, maxLength, pattern, value }, prefix = '') {
  const name = prefix + path.join('.');
  if (kind === 'boolean') {
    return html`<label class="check"><input type="checkbox" name=${name} .checked=${value === 'true'} />
      <span>${label}${description ? html` <span class="quiet">${description}</span>` : nothing}</span></label>`;
  }
  const number = kind === 'number' || kind === 'integer';
  return form.field({
    name,
    label,
    hint: description || nothing,
    required,
    value,
    type: number ? 'number' : kind === 'text' && SECRET.test(path[path.length - 1]) ? 'password' : 'text',
    autocomplete: kind === 'text' && SECRET.test(path[path.length - 1]) ? 'new-password' : undefined,
    min,
    max,
    minlength: minLength,
    maxlength: maxLength,
    pattern,
    rows: kind === 'lines' || kind === 'json' ? 3 : undefined,
    options:
      kind === 'choice'
        ? [...(required ? [] : [/** @type {[string, string]} */ (['', '–'])]), ...options.map((option) => /** @type {[string, string]} */ ([option, option]))]
        : undefined,
  });
}
