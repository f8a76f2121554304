// A JSON Schema as a tree: each property with its type, its bounds and what it is for. What lies deep is made when it is
// opened.
import { html, nothing } from '../vendor/lit.js';
import { resolve } from '../schema.js';
import { Part, t } from '../ui.js';
import { boundsOf, typeOf } from './openapi.js';

/** How many levels are open from the start. */
const OPEN = 2;

/**
 * @param {JsonSchema} schema @param {any} root
 * @param {boolean} sent whether it is what a caller sends, or what is answered
 * @returns {unknown}
 */
export function schemaTree(schema, root, sent, depth = 0) {
  const one = resolve(schema, root);
  if (one.type === 'array' && !one.enum) return schemaTree(one.items ?? {}, root, sent, depth);
  const some = one.anyOf ?? one.oneOf;
  if (some) {
    return html`<ul class="tree">${some.map(
      (choice) => html`<li><p><strong>${choice.title ?? name(choice.$ref) ?? typeOf(choice, root)}</strong> ${about(choice, root)}</p>${inner(choice, root, sent, depth)}</li>`,
    )}</ul>`;
  }
  const properties = Object.entries(one.properties ?? {});
  const further = /** @type {any} */ (one).additionalProperties;
  if (further && typeof further === 'object') properties.push(['…', further]);
  if (properties.length === 0) return nothing;
  return html`<ul class="tree">${properties.map(
    ([name, property]) => html`<li>
      <p><code class="name">${name}</code> <code class="type">${typeOf(property, root)}</code>
        ${(one.required ?? []).includes(name) === sent && name !== '…' ? html`<span class="tag">${t(sent ? 'docs.required' : 'docs.mayBeAbsent')}</span>` : nothing} ${about(property, root)}</p>
      ${inner(property, root, sent, depth)}
    </li>`,
  )}</ul>`;
}

/** A text of the document, with what stands between backticks as code. @param {string} text */
export const marked = (text) => text.split('`').map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part));

/** Where a reference leads, in its last word. @param {string} [reference] */
const name = (reference) => reference?.split('/').pop();

/** @param {JsonSchema} schema @param {any} root */
function about(schema, root) {
  const { description } = resolve(schema, root);
  return html`${boundsOf(schema, root).map((bound) => html`<code class="bound">${bound}</code> `)}${
    description ? html`<span class="quiet" lang="en">${marked(description)}</span>` : nothing
  }${words(schema, root)}`;
}

/** Words that are each described. @param {JsonSchema} schema @param {any} root */
function words(schema, root) {
  const choices = (resolve(schema, root).oneOf ?? []).filter(({ const: word, description }) => word !== undefined && description);
  return choices.length === 0
    ? nothing
    : html`<span class="words" lang="en">${choices.map(({ const: word, description }) => html`<span><code>${JSON.stringify(word)}</code> <span class="quiet">${marked(description ?? '')}</span></span>`)}</span>`;
}

/** What a property consists of. @param {JsonSchema} schema @param {any} root @param {boolean} sent @param {number} depth */
function inner(schema, root, sent, depth) {
  if (!isDeep(schema, root)) return nothing;
  return depth + 1 < OPEN ? schemaTree(schema, root, sent, depth + 1) : html`<ni-schema-more .schema=${schema} .root=${root} .sent=${sent}></ni-schema-more>`;
}

/** Whether a schema has parts of its own. @param {JsonSchema} schema @param {any} root @returns {boolean} */
function isDeep(schema, root, depth = 0) {
  if (depth > 6) return false;
  const one = resolve(schema, root);
  if (one.enum || one.const !== undefined) return false;
  if (one.type === 'array') return isDeep(one.items ?? {}, root, depth + 1);
  const some = one.anyOf ?? one.oneOf;
  if (some) return some.some((choice) => isDeep(choice, root, depth + 1));
  const further = /** @type {any} */ (one).additionalProperties;
  return Object.keys(one.properties ?? {}).length > 0 || Boolean(further && typeof further === 'object');
}

class SchemaMore extends Part {
  /** @type {JsonSchema} */
  schema = {};
  /** @type {any} */
  root = null;
  sent = false;
  open = false;

  /** @param {Event} event */
  #toggle = (event) => {
    this.open ||= /** @type {HTMLDetailsElement} */ (event.currentTarget).open;
    this.requestUpdate();
  };

  /** @override */
  render() {
    return html`<details @toggle=${this.#toggle}>
      <summary>${t('docs.parts')}</summary>
      ${this.open ? schemaTree(this.schema, this.root, this.sent, OPEN - 1) : nothing}
    </details>`;
  }
}
customElements.define('ni-schema-more', SchemaMore);
