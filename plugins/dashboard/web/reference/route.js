// One route of the reference: a line, and all there is to know about it once it is opened.
import { html, nothing } from '../vendor/lit.js';
import { base } from '../api.js';
import { copyable } from '../dialogs.js';
import { Part, t } from '../ui.js';
import { boundsOf, example, typeOf } from './openapi.js';
import { marked, schemaTree } from './schema-tree.js';
import './try.js';

/** @typedef {import('./openapi.js').Route} Route */

/** Where a route is shown. @param {string} id */
export const linkTo = (id) => new URL(`api/docs#${id}`, base).href;

export class RouteView extends Part {
  /** @type {Route} */
  route = /** @type {any} */ (null);
  /** The whole document. @type {any} */
  root = null;
  /** Whether it was open once: before that its details are not made. */
  opened = false;
  trying = false;

  /** Opens it, so that it can be seen. */
  async open() {
    this.opened = true;
    this.requestUpdate();
    await this.updateComplete;
    const details = this.querySelector('details');
    if (details) details.open = true;
    this.scrollIntoView({ block: 'start' });
    this.querySelector('summary')?.focus({ preventScroll: true });
  }

  /** @param {Event} event */
  #toggle = (event) => {
    const { open } = /** @type {HTMLDetailsElement} */ (event.currentTarget);
    if (event.target !== event.currentTarget) return;
    if (open && location.hash !== `#${this.route.id}`) history.replaceState(null, '', linkTo(this.route.id));
    this.opened ||= open;
    this.requestUpdate();
  };

  /** @param {Event} event */
  #try = (event) => {
    if (event.target !== event.currentTarget) return;
    this.trying ||= /** @type {HTMLDetailsElement} */ (event.currentTarget).open;
    this.requestUpdate();
  };

  /** @override */
  render() {
    const { id, method, path, summary } = this.route;
    return html`<details class="route" id=${id} @toggle=${this.#toggle}>
      <summary>
        <span class="method ${method.toLowerCase()}">${method}</span>
        <code>${path.split(/(\{[^}]*\})/).map((part) => (part.startsWith('{') ? html`<em>${part}</em>` : html`${part.split('/').map((word, i) => html`${i > 0 ? html`/<wbr>` : nothing}${word}`)}`))}</code>
        <span class="summary" lang="en">${summary}</span>
      </summary>
      ${this.opened ? this.#details() : nothing}
    </details>`;
  }

  #details() {
    const { route, root } = this;
    const { id, who, permissions, note, parameters, body, responses } = route;
    return html`<div class="about">
      <p class="who"><span>${t(`docs.who.${who}`)}</span> ${permissions.map((name) => html`<code class="tag">${name}</code>`)}
        <a href=${linkTo(id)}>${t('docs.link')}</a></p>
      ${note && who !== 'operator' ? html`<p lang="en">${marked(note)}</p>` : nothing}
      ${parameters.length > 0
        ? html`<h4>${t('docs.parameters')}</h4>
            <ul class="tree">${parameters.map(
              ({ name, in: where, required, description, schema }) => html`<li><p>
                <code class="name">${name}</code> <code class="type">${typeOf(schema, root)}</code> <span class="tag">${t(`docs.in.${where}`)}</span>
                ${required ? html`<span class="tag">${t('docs.required')}</span>` : nothing}
                ${boundsOf(schema, root).map((bound) => html`<code class="bound">${bound}</code> `)}
                <span class="quiet" lang="en">${marked(description)}</span></p></li>`,
            )}</ul>`
        : nothing}
      ${body
        ? html`<h4>${t('docs.body')} <span class="tag">application/json</span> ${body.required ? nothing : html`<span class="tag">${t('docs.mayBeAbsent')}</span>`}</h4>
            ${schemaTree(body.schema, root, true)}
            ${body.example === undefined ? nothing : html`<h5>${t('docs.example')}</h5>${copyable(JSON.stringify(body.example, null, 2), t('docs.example'))}`}`
        : nothing}
      <h4>${t('docs.answers')}</h4>
      <ul class="answers">${responses.map((response) => this.#response(response))}</ul>
      ${who === 'operator' || who === 'agent' ? nothing : html`<h4>${t('docs.curl')}</h4>${copyable(example(route, base), t('docs.curl'))}`}
      ${who === 'operator' || who === 'agent'
        ? html`<p class="note">${t(`docs.noTry.${who}`)}</p>`
        : html`<details class="try" @toggle=${this.#try}><summary>${t('docs.try')}</summary>
            ${this.trying ? html`<ni-try .route=${route} .root=${root}></ni-try>` : nothing}</details>`}
    </div>`;
  }

  /** @param {import('./openapi.js').Response} response */
  #response({ status, description, schema, types, headers, codes }) {
    const shown = headers.filter(([name]) => name.toLowerCase() !== 'x-request-id');
    return html`<li class=${status < '400' ? 'good' : 'bad'}>
      <p><strong>${status}</strong> <span lang="en">${description}</span>
        ${types.filter((type) => type !== 'application/json').map((type) => html`<span class="tag">${type}</span>`)}
        ${schema ? html`<code class="type">data: ${typeOf(schema, this.root)}</code>` : nothing}</p>
      ${schema ? schemaTree(schema, this.root, false) : nothing}
      ${codes.length > 0
        ? html`<ul class="codes-list">${codes.map(({ code, text }) => html`<li><code>${code}</code> <span class="quiet" lang="en">${marked(text)}</span></li>`)}</ul>`
        : nothing}
      ${shown.length > 0
        ? html`<p class="heads quiet">${t('docs.headers')} ${shown.map(([name, about]) => html`<span><code>${name}</code> <span lang="en">${marked(about)}</span></span>`)}</p>`
        : nothing}
    </li>`;
  }
}
customElements.define('ni-route', RouteView);
