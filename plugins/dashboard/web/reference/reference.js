// The API's reference at /api/docs: the document's routes in groups, found as one types, each with a link of its own.
// Only what is opened is made whole, so that a document of any length is there at once.
import { html, nothing, render } from '../vendor/lit.js';
import { base, loadSession, session } from '../api.js';
import { Part, announce, brand, icon, loadWords, problem, skeleton, t, tn } from '../ui.js';
import { allCodes, groups, matches } from './openapi.js';
import './route.js';
import { marked } from './schema-tree.js';

/** @typedef {import('./openapi.js').Group} Group */

/** A group's name as an anchor. @param {string} name */
const anchor = (name) => `tag-${name.toLowerCase().replace(/\W+/g, '-')}`;

class Reference extends Part {
  /** @type {any} */
  root = null;
  /** @type {Group[]} */
  groups = [];
  /** @type {unknown} */
  failure = null;
  typed = '';
  codes = false;

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    addEventListener('hashchange', () => void this.#goTo());
    addEventListener('keydown', (event) => {
      const target = /** @type {Element} */ (event.target);
      if (event.key !== '/' || event.ctrlKey || event.metaKey || target.closest('input, textarea, select')) return;
      event.preventDefault();
      this.querySelector('input')?.focus();
    });
    void this.start();
  }

  start = async () => {
    this.failure = null;
    try {
      const [document_] = await Promise.all([fetch(new URL('api/openapi.json', base)), loadWords(), loadSession().catch(() => undefined)]);
      if (!document_.ok) throw new Error(`HTTP ${document_.status}`);
      this.root = await document_.json();
      this.groups = groups(this.root);
      document.title = `${t('docs')} · NetIgnite`;
    } catch (error) {
      this.failure = error;
    }
    this.requestUpdate();
    await this.updateComplete;
    await this.#goTo();
  };

  /** Shows what the address names. */
  async #goTo() {
    const id = decodeURIComponent(location.hash.slice(1));
    if (!id) return;
    const target = document.getElementById(id);
    const route = /** @type {import('./route.js').RouteView | null} */ (target?.closest('ni-route') ?? null);
    if (route) {
      if (route.hidden) this.#find('');
      await this.updateComplete;
      await route.open();
    } else {
      target?.scrollIntoView();
    }
  }

  /** @param {string} typed */
  #find(typed) {
    this.typed = typed;
    this.requestUpdate();
  }

  /** @override */
  render() {
    if (this.failure) return html`<main class="alone"><h1 class="unseen">API</h1>${problem(this.failure, this.start)}</main>`;
    if (!this.root) return html`<main class="alone"><h1 class="unseen">API</h1>${skeleton(8)}</main>`;
    const count = this.groups.reduce((sum, { routes }) => sum + routes.filter((route) => matches(route, this.typed)).length, 0);
    const input = (/** @type {Event} */ event) => {
      this.#find(/** @type {HTMLInputElement} */ (event.target).value);
      const found = this.groups.flatMap(({ routes }) => routes).filter((route) => matches(route, this.typed)).length;
      announce(tn('docs.count', found));
    };
    return html`<a class="skip" href=${here('main')}>${t('skip')}</a>
      <header class="top">
        <a class="brand" href="./">${brand}<span>NetIgnite</span></a>
        <div class="find">${icon('search')}<input type="search" aria-label=${t('docs.find')} placeholder=${t('docs.find')} .value=${this.typed}
          autocomplete="off" spellcheck="false" @input=${input} /><kbd aria-hidden="true">/</kbd></div>
        <span class="grow"></span>
        ${session ? html`<a class="who" href="account">${icon('account')}<span>${session.username}</span></a>` : html`<a class="who" href="./?next=${encodeURIComponent(location.pathname)}">${icon('account')}<span>${t('signIn')}</span></a>`}
      </header>
      <div class="contents" role="navigation" aria-label=${t('docs.groups')}>
        ${this.groups.map(({ name, routes }) => {
          const some = routes.filter((route) => matches(route, this.typed)).length;
          return html`<a href=${here(anchor(name))} lang="en" ?hidden=${some === 0}>${name}<span class="count">${some}</span></a>`;
        })}
        <a href=${here('codes')} ?hidden=${this.typed !== ''}>${t('docs.codes')}</a>
      </div>
      <main id="main" tabindex="-1">
        <div>
          <header class="page"><h1>${t('docs')}</h1><span class="tag">${this.root.info?.version}</span></header>
          ${this.typed === '' ? this.#intro() : html`<p class="quiet">${tn('docs.count', count)}</p>`}
          ${this.groups.map((group) => this.#group(group))}
          ${this.typed === '' ? this.#codes() : nothing}
        </div>
      </main>`;
  }

  #intro() {
    return html`<section class="card">
      <p>${t('docs.intro')}</p>
      <dl>
        <dt>${t('docs.intro.base')}</dt><dd><code>${base.href.replace(/\/$/, '')}</code></dd>
        <dt>${t('docs.intro.token')}</dt><dd><code>Authorization: Bearer …</code> ${t('docs.intro.token.text')} <a href="account">${t('nav.account')}</a></dd>
        <dt>${t('docs.intro.answer')}</dt><dd><code>{"status": "OK", "message": …, "data": …, "requestID": …}</code></dd>
        <dt>${t('docs.intro.error')}</dt><dd><code>{"status": "ERROR", "code": …, "message": …, "errors": [{"field": …, "message": …}], …}</code></dd>
        <dt>${t('docs.intro.document')}</dt><dd><a href="api/openapi.json" download="netignite-openapi.json">openapi.json</a></dd>
      </dl>
    </section>`;
  }

  /** @param {Group} group */
  #group({ name, about, routes }) {
    const some = routes.some((route) => matches(route, this.typed));
    return html`<section class="group" aria-labelledby=${anchor(name)} ?hidden=${!some}>
      <header><h2 id=${anchor(name)} lang="en" tabindex="-1">${name}</h2><p class="quiet" lang="en">${about}</p></header>
      ${routes.map((route) => html`<ni-route .route=${route} .root=${this.root} ?hidden=${!matches(route, this.typed)}></ni-route>`)}
    </section>`;
  }

  #codes() {
    const toggle = (/** @type {Event} */ event) => {
      this.codes ||= /** @type {HTMLDetailsElement} */ (event.currentTarget).open;
      this.requestUpdate();
    };
    return html`<section class="group" aria-labelledby="codes">
      <header><h2 id="codes" tabindex="-1">${t('docs.codes')}</h2><p class="quiet">${t('docs.codes.text')}</p></header>
      <details class="route" @toggle=${toggle}><summary>${t('docs.codes.all')}</summary>
        ${this.codes
          ? html`<ul class="codes-list about">${allCodes(this.groups).map(
              ({ code, text, statuses }) => html`<li id="code-${code}"><code>${code}</code> <span class="tag">${statuses.join(', ')}</span> <span class="quiet" lang="en">${marked(text)}</span></li>`,
            )}</ul>`
          : nothing}
      </details>
    </section>`;
  }
}
customElements.define('ni-reference', Reference);

/** A link to a place of this page, which the document's base would lead away from. @param {string} id */
function here(id) {
  return new URL(`api/docs#${id}`, base).href;
}

render(
  html`<ni-reference></ni-reference>
    <div id="notices" popover="manual"></div>
    <div id="announcements" class="unseen" aria-live="polite"></div>`,
  document.body,
);
