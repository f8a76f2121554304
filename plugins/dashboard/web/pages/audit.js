// The audit log: who did what, from where, and what was refused.
import { html, nothing } from '../vendor/lit.js';
import { base, get } from '../api.js';
import { FilteredList } from '../filtered-list.js';
import { has, icon, problem, skeleton, state, t, whenExactly, whenFully } from '../ui.js';

/** Entries of a page. */
const PAGE = 100;
const ACTORS = ['user', 'token', 'agent', 'operator', 'server', 'nobody'];
const OUTCOMES = ['done', 'refused', 'failed'];
/** Beginnings of actions' names. */
const ACTIONS = ['auth.', 'device.', 'operation.', 'agent.', 'user.', 'password.', 'totp.', 'token.', 'session.', 'enrolment.', 'share.', 'secrets.', 'log_level.', 'audit.', 'request.'];
const PERIODS = { '': 0, '1h': 3_600_000, '24h': 86_400_000, '7d': 604_800_000, '30d': 2_592_000_000 };

/** @param {AuditEntry['outcome']} outcome */
const shape = (outcome) => (outcome === 'done' ? 'online' : outcome === 'refused' ? 'unknown' : 'failed');

/** What was done, in words. @param {string} action */
const said = (action) => (has(`action.${action}`) ? t(`action.${action}`) : action);

/** @extends FilteredList<AuditEntry> */
export default class Audit extends FilteredList {
  /** @override */
  get heading() {
    return t('nav.audit');
  }

  /** @override */
  get path() {
    return 'audit';
  }

  /** @override @param {string} filter */
  label(filter) {
    return t(`audit.${filter}`);
  }

  /** @override @param {string} [before] */
  async read(before) {
    const { period, action, actor, outcome, user, address } = this.filter;
    const length = PERIODS[/** @type {keyof typeof PERIODS} */ (period)];
    const since = length ? Date.now() - length : undefined;
    const { entries, next } = await get('admin/audit', { action, actor, outcome, user, address, since, limit: PAGE, before });
    return { list: entries, next };
  }

  /** @override */
  render() {
    const from = new URL('api/admin/audit/export', base);
    return html`<header class="page">
        <h1 tabindex="-1">${this.heading}</h1>
        <a class="button" href=${from.href} download="audit.ndjson">${t('audit.export')}</a>
      </header>
      <search class="filters"><div class="chips">
        ${this.select('period', Object.keys(PERIODS).filter(Boolean), (value) => t(`period.${value}`))}
        ${this.select('action', ACTIONS, (value) => t(`audit.actions.${value}`))}
        ${this.select('actor', ACTORS, (value) => t(`actor.${value}`))}
        ${this.select('outcome', OUTCOMES, (value) => t(`outcome.${value}`))}
        ${['user', 'address'].map((name) => (this.filter[name] ? html`<button class="chip" aria-pressed="true" @click=${() => this.set(name, '')}>${t(`audit.${name}`)}: ${this.filter[name]} ${icon('close')}</button>` : nothing))}
        <button class="chip" @click=${this.reload}>${t('refresh')}</button>
      </div></search>
      ${problem(this.failure, this.reload)} ${this.loaded ? this.#entries() : this.failure ? nothing : skeleton(10)}`;
  }

  #entries() {
    if (this.list.length === 0 && !this.next) return html`<div class="empty small"><p>${t('audit.none')}</p></div>`;
    return html`<div class="rows audit"><ul aria-label=${this.heading}>${this.list.map((entry) => this.#entry(entry))}</ul></div>
      ${this.showMore()}`;
  }

  /** @param {AuditEntry} entry */
  #entry({ at, actor, actorName, userID, action, target, targetID, targetName, address, outcome, detail, count }) {
    const page = target === 'device' || target === 'agent' ? `${target}s/${targetID}` : null;
    const name = targetName || (targetID ? `#${targetID}` : '');
    const who = actorName ?? t(`actor.${actor}`);
    return html`<li>
      <time class="quiet" datetime=${new Date(at).toISOString()} title=${whenFully(at)}>${whenExactly(at)}</time>
      <div class="what">${state(shape(outcome), t(`outcome.${outcome}`))}</div>
      <div class="who">${userID ? html`<button class="plain link" title=${t(`actor.${actor}`)} @click=${() => this.set('user', String(userID))}>${who}</button>` : html`<span class="quiet">${who}</span>`}</div>
      <div class="did"><span title=${action}>${said(action)}</span>${count > 1 ? html` <span class="tag">× ${count}</span>` : nothing}
        ${name ? html` <strong>${page && targetID ? html`<a href=${page}>${name}</a>` : name}</strong>` : nothing}
        ${detail ? html` <span class="quiet">${detail}</span>` : nothing}</div>
      <div class="where quiet">${address ? html`<button class="plain link quiet" @click=${() => this.set('address', address)}>${address}</button>` : nothing}</div>
    </li>`;
  }
}
customElements.define('ni-audit', Audit);
