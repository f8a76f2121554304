// A call of the API from the reference: a form made of the route's schemas, and what came back. It is done as who is
// signed in, or with a token that is pasted, which is kept nowhere but in this page while it is open.
import { html, nothing } from '../vendor/lit.js';
import { base, events, loadSession, session } from '../api.js';
import { confirm, copyable } from '../dialogs.js';
import { Form } from '../form.js';
import { schemaField } from '../schema-form.js';
import { fields, read, resolve } from '../schema.js';
import { Part, announce, notifyError, t } from '../ui.js';
import { curl } from './openapi.js';

/** What is read of an answer at most, in characters, and for how long where it does not end by itself. */
const MOST = 200_000;
const PATIENCE = 30_000;
const STREAM = 5000;

/** The pasted token, for every form of this page. */
let token = '';

/** @typedef {{status: number, text: string, took: number, headers: [string, string][], body: string, cut: boolean, line: string}} Result */

class Try extends Part {
  /** @type {import('./openapi.js').Route} */
  route = /** @type {any} */ (null);
  /** @type {any} */
  root = null;
  form = new Form(this);
  /** Which of several schemas the body has. */
  variant = 0;
  /** The body as JSON, where it is written by hand. @type {string | null} */
  raw = null;
  /** Values of the body's fields, of the example. @type {Record<string, any>} */
  filled = {};
  /** @type {Result | null} */
  result = null;
  #again = () => this.requestUpdate();

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    events.addEventListener('session', this.#again);
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    events.removeEventListener('session', this.#again);
  }

  /** The schemas that the body can have. */
  get variants() {
    const schema = resolve(this.route.body?.schema ?? {}, this.root);
    return schema.anyOf ?? schema.oneOf ?? [schema];
  }

  /** @param {'path' | 'query' | 'header'} where */
  #parameters(where) {
    const some = this.route.parameters.filter((parameter) => parameter.in === where);
    /** @type {JsonSchema} */
    const schema = { type: 'object', properties: {}, required: some.filter(({ required }) => required).map(({ name }) => name) };
    for (const { name, schema: own, description } of some) (schema.properties ??= {})[name] = { ...own, description };
    return fields(schema, this.root).map((field) => ({ ...field, label: field.path[0] }));
  }

  get #body() {
    const found = fields(this.variants[this.variant] ?? {}, this.root);
    return found.map((field) => {
      const value = field.path.reduce((here, name) => here?.[name], this.filled);
      const text = value === undefined || value === null ? field.value : typeof value === 'string' ? value : Array.isArray(value) && field.kind === 'lines' ? value.join('\n') : JSON.stringify(value);
      return { ...field, label: field.path.join('.'), value: text };
    });
  }

  /** What was typed into the fields whose names begin so. @param {Record<string, string>} values @param {string} prefix */
  #typed(values, prefix) {
    return Object.fromEntries(Object.entries(values).filter(([name]) => name.startsWith(prefix)).map(([name, value]) => [name.slice(prefix.length), value]));
  }

  submit = this.form.submit(async (values) => {
    const { method, path, body } = this.route;
    const url = new URL(path.slice(1).replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[`path.${name}`] ?? '')), base);
    const query = read(this.#parameters('query'), this.#typed(values, 'query.'));
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
    /** @type {Record<string, string>} */
    const headers = {};
    for (const [name, value] of Object.entries(this.#typed(values, 'header.'))) if (value) headers[name] = value;
    let text;
    if (this.raw !== null) {
      text = values.json.trim() === '' ? undefined : JSON.stringify(JSON.parse(values.json));
    } else if (body) {
      const object = read(this.#body, this.#typed(values, 'body.'));
      text = body.required || Object.keys(object).length > 0 ? JSON.stringify(object) : undefined;
    }
    if (method === 'DELETE') {
      const sure = await confirm({ title: t('docs.sure', { call: `${method} ${url.pathname}` }), text: t('docs.real'), action: t('docs.send', { method }) });
      if (!sure) return;
    }
    this.result = await this.#send(url, method, headers, text);
    announce(t('docs.answered', { status: this.result.status }));
    if (path.startsWith('/api/auth/')) await loadSession().catch(notifyError);
  });

  /** @param {URL} url @param {string} method @param {Record<string, string>} headers @param {string | undefined} body @returns {Promise<Result>} */
  async #send(url, method, headers, body) {
    const bearer = takesTokens(this.route) ? token : '';
    const begun = performance.now();
    const stop = new AbortController();
    let timer = setTimeout(() => stop.abort(), PATIENCE);
    try {
      const answer = await fetch(url, {
        method,
        body,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...(bearer ? { authorization: `Bearer ${bearer}` } : {}) },
        credentials: bearer ? 'omit' : 'same-origin',
        cache: 'no-store',
        signal: stop.signal,
      });
      const took = performance.now() - begun;
      if (answer.headers.get('content-type')?.startsWith('text/event-stream')) {
        clearTimeout(timer);
        timer = setTimeout(() => stop.abort(), STREAM);
      }
      const { text, cut } = await readBody(answer);
      return {
        status: answer.status,
        text: answer.statusText,
        took,
        headers: [...answer.headers],
        body: pretty(text),
        cut,
        line: curl({ method, url: url.href, headers, body, token: takesTokens(this.route) }),
      };
    } catch (error) {
      throw stop.signal.aborted ? new Error(t('docs.noAnswer')) : error;
    } finally {
      clearTimeout(timer);
      stop.abort();
    }
  }

  /** Changes between fields and JSON. @param {Event} event */
  #write = (event) => {
    if (this.raw !== null) {
      this.raw = null;
    } else {
      const form = /** @type {HTMLFormElement} */ (/** @type {HTMLElement} */ (event.currentTarget).closest('form'));
      /** @type {Record<string, string>} */
      const values = {};
      for (const [name, value] of new FormData(form)) values[name] = String(value);
      let object = {};
      try {
        object = read(this.#body, this.#typed(values, 'body.'));
      } catch {
        // A field holds no JSON yet.
      }
      this.raw = JSON.stringify(object, null, 2);
    }
    this.requestUpdate();
  };

  #fill = () => {
    const shown = this.route.body?.example;
    if (this.raw !== null) this.raw = JSON.stringify(shown, null, 2);
    else this.filled = { .../** @type {any} */ (shown) };
    this.requestUpdate();
  };

  /** @override */
  render() {
    const { form, route } = this;
    const some = /** @type {const} */ (['path', 'query', 'header']).flatMap((where) => this.#parameters(where).map((field) => schemaField(form, field, `${where}.`)));
    return html`<form @submit=${this.submit}>
        ${route.who === 'public' ? nothing : this.#as()}
        ${some} ${route.body ? this.#bodyFields() : nothing}
        ${form.problem()}
        ${route.method === 'GET' ? nothing : html`<p class="hint">${t('docs.real')}</p>`}
        <div class="buttons">${form.button(t('docs.send', { method: route.method }))}</div>
      </form>
      ${this.result ? this.#result(this.result) : nothing}`;
  }

  #as() {
    const paste = (/** @type {Event} */ event) => {
      token = /** @type {HTMLInputElement} */ (event.target).value.trim();
      this.requestUpdate();
    };
    const here = `./?next=${encodeURIComponent(location.pathname + location.hash)}`;
    return html`<p class="quiet">${session
        ? t(token && takesTokens(this.route) ? 'docs.asToken' : 'docs.as', { name: session.username })
        : html`${t(token && takesTokens(this.route) ? 'docs.asToken' : 'docs.asNobody')} <a href=${here}>${t('signIn')}</a>`}</p>
      ${takesTokens(this.route)
        ? this.form.field({ name: 'token', label: t('docs.token'), type: 'password', value: token, autocomplete: 'off', hint: t('docs.token.hint'), input: paste })
        : nothing}`;
  }

  #bodyFields() {
    const { variants } = this;
    const choose = (/** @type {Event} */ event) => {
      this.variant = Number(/** @type {HTMLSelectElement} */ (event.target).value);
      this.requestUpdate();
    };
    const names = variants.map(({ $ref, title }, i) => /** @type {[string, string]} */ ([String(i), title ?? $ref?.split('/').pop() ?? String(i + 1)]));
    return html`<fieldset><legend>${t('docs.body')}</legend>
      <div class="stack">
        ${this.raw === null
          ? html`${variants.length > 1 ? this.form.field({ name: 'variant', label: t('docs.variant'), options: names, value: this.variant, input: choose }) : nothing}
              ${this.#body.map((field) => schemaField(this.form, field, 'body.'))}`
          : this.form.field({ name: 'json', label: 'JSON', rows: 8, value: this.raw })}
        <div class="buttons">
          <button type="button" class="small" @click=${this.#write}>${t(this.raw === null ? 'docs.asJson' : 'docs.asFields')}</button>
          ${this.route.body?.example === undefined ? nothing : html`<button type="button" class="small" @click=${this.#fill}>${t('docs.fill')}</button>`}
        </div>
      </div></fieldset>`;
  }

  /** @param {Result} result */
  #result({ status, text, took, headers, body, cut, line }) {
    return html`<section class="result ${status < 400 ? 'good' : 'bad'}" aria-label=${t('docs.answer')}>
      <p><strong>${status} ${text}</strong> <span class="quiet">${Math.round(took)} ms</span></p>
      <details><summary>${t('docs.headers')}</summary><dl>${headers.map(([name, value]) => html`<dt><code>${name}</code></dt><dd><code>${value}</code></dd>`)}</dl></details>
      ${body ? html`<pre tabindex="0" role="group" aria-label=${t('docs.answer.body')}>${body}</pre>` : html`<p class="quiet">${t('docs.empty')}</p>`}
      ${cut ? html`<p class="hint">${t('docs.cut')}</p>` : nothing}
      <h5>${t('docs.curl')}</h5>${copyable(line, t('docs.curl'))}
    </section>`;
  }
}
customElements.define('ni-try', Try);

/** Whether a route takes tokens. @param {import('./openapi.js').Route} route */
const takesTokens = (route) => route.who === 'caller';

/**
 * An answer's text, up to a bound, and what there was of it when time was over.
 * @param {Response} answer
 */
async function readBody(answer) {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  let cut = false;
  try {
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done) break;
      text += value;
      if (text.length <= MOST) continue;
      text = text.slice(0, MOST);
      cut = true;
      break;
    }
  } catch {
    cut = true;
  }
  return { text, cut };
}

/** JSON with its lines, anything else as it is. @param {string} text */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
