// What happened to a device: a band of the last hours or days, and its operations.
import { html, nothing, svg } from './vendor/lit.js';
import { follow } from './api.js';
import { stretches, totals } from './band.js';
import { line, operationName } from './operation.js';
import { getPage } from './paged.js';
import { Progress } from './progress.js';
import { Part, lasting, list, problem, skeleton, t, tick, when } from './ui.js';

const HOUR = 3_600_000;
const RANGES = /** @type {const} */ ({ day: 24 * HOUR, week: 7 * 24 * HOUR, month: 30 * 24 * HOUR });
/** Entries of a reading, and readings at most. */
const PAGE = 500;
const PAGES = 6;
/** Operations that are listed. */
const SHOWN = 8;
/** The band's measures, in its own units. */
const WIDTH = 1000;
const HEIGHT = 40;
/** The least width of what shall be seen. */
const LEAST = 2;

export class Timeline extends Part {
  device = 0;
  /** @type {keyof typeof RANGES} */
  range = 'day';
  /** The newest first. @type {TimelineEntry[] | null} */
  entries = null;
  /** Where earlier ones are. @type {string | null} */
  next = null;
  /** @type {unknown} */
  failure = null;
  progress = new Progress(this);
  /** Called with the operations, the newest first, whenever they are read. @type {(operations: Operation[]) => void} */
  read = () => undefined;
  #stop = /** @type {(() => void)[]} */ ([]);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #soon;

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    // The band moves on with the clock.
    const minute = setInterval(() => this.requestUpdate(), 60_000);
    const changed = (/** @type {import('./api.js').Change[]} */ changes) => {
      const mine = changes.some(({ type, data }) =>
        type === 'reset' || (type === 'device.presence' && data.id === this.device) || (type === 'operation.changed' && data.deviceID === this.device));
      if (mine) this.reloadSoon();
    };
    this.#stop = [follow(changed), () => clearInterval(minute), () => clearTimeout(this.#soon)];
    void this.load();
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    for (const stop of this.#stop) stop();
  }

  reloadSoon() {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => void this.load(), 250);
  }

  load = async () => {
    try {
      const { list, cursor } = await getPage(`devices/${this.device}/timeline`, { limit: PAGE });
      [this.entries, this.next, this.failure] = [list, cursor, null];
      await this.#further();
      this.read(this.#operations());
    } catch (error) {
      this.failure = error;
    }
    this.requestUpdate();
  };

  /** Reads on until the range is filled. */
  async #further() {
    const from = Date.now() - RANGES[this.range];
    for (let pages = 1; pages < PAGES && this.next && (this.entries?.at(-1)?.at ?? 0) > from; pages += 1) {
      const { list, cursor } = await getPage(`devices/${this.device}/timeline`, { limit: PAGE, cursor: this.next });
      this.entries = [...(this.entries ?? []), ...list];
      this.next = cursor;
    }
  }

  #operations() {
    /** @type {Operation[]} */
    const operations = [];
    for (const entry of this.entries ?? []) if (entry.kind === 'operation') operations.push(entry.operation);
    return operations;
  }

  /** @param {keyof typeof RANGES} range */
  #choose = async (range) => {
    this.range = range;
    this.requestUpdate();
    try {
      await this.#further();
    } catch (error) {
      this.failure = error;
    }
    this.requestUpdate();
  };

  /** @override */
  render() {
    return html`<section class="card">
        <header><h2>${t('timeline')}</h2>
          <div class="chips" role="group" aria-label=${t('timeline.range')}>
            ${/** @type {(keyof typeof RANGES)[]} */ (Object.keys(RANGES)).map(
              (range) => html`<button class="chip small" aria-pressed=${range === this.range} @click=${() => this.#choose(range)}>${t(`timeline.${range}`)}</button>`,
            )}
          </div></header>
        ${problem(this.failure, this.load)} ${this.entries ? this.#band(this.entries) : this.failure ? nothing : skeleton(2)}
      </section>
      ${this.#list()}`;
  }

  /** @param {TimelineEntry[]} entries */
  #band(entries) {
    const to = Date.now();
    const from = to - RANGES[this.range];
    const at = (/** @type {number} */ time) => ((time - from) / (to - from)) * WIDTH;
    const all = stretches(entries, from, to);
    const sums = totals(all);
    const share = (/** @type {number} */ time) => t('timeline.share', { time: lasting(time), percent: Math.round((time / (to - from)) * 100) });
    const words = /** @type {const} */ (['online', 'waking', 'stopping', 'offline', 'unknown'])
      .filter((state) => sums.has(state))
      .map((state) => ({ state, word: state === 'unknown' ? t('timeline.unknown') : t(`timeline.state.${state}`), share: share(sums.get(state) ?? 0) }));
    const marks = this.#operations().filter(({ createdAt }) => createdAt >= from && createdAt <= to);
    const said = list(words.map(({ word, share }) => `${word} ${share}`));
    const ticks = [0, 1, 2, 3, 4].map((part) => from + ((to - from) * part) / 4);
    return html`<div class="band">
        <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${t('timeline.said', { said })}>
          <rect class="ground" width=${WIDTH} height=${HEIGHT} />
          ${all.map(({ from: begin, to: end, state }) => {
            const title = `${state === 'unknown' ? t('timeline.unknown') : t(`timeline.state.${state}`)}: ${when(begin)} – ${when(end)} (${lasting(end - begin)})`;
            const [y, height] = state === 'online' ? [0, HEIGHT] : state === 'offline' ? [HEIGHT - 12, 12] : state === 'unknown' ? [HEIGHT - 4, 4] : [8, HEIGHT - 8];
            const width = Math.max(LEAST, at(end) - at(begin));
            return svg`<rect class=${state} x=${Math.min(at(begin), WIDTH - width)} y=${y} width=${width} height=${height}><title>${title}</title></rect>`;
          })}
        </svg>
        <svg class="marks" viewBox="0 0 ${WIDTH} 10" preserveAspectRatio="none" aria-hidden="true">
          ${marks.map((operation) => {
            const title = `${operationName(operation)}: ${t(`operation.state.${operation.state}`)}, ${when(operation.createdAt)}`;
            return svg`<rect class=${operationKind(operation)} x=${Math.min(at(operation.createdAt), WIDTH - 3)} y="0" width="3" height="10"><title>${title}</title></rect>`;
          })}
        </svg>
        <div class="ticks quiet" aria-hidden="true">${ticks.map((time, i) => html`<span>${i === 4 ? t('timeline.now') : tick(time, this.range !== 'day')}</span>`)}</div>
      </div>
      <ul class="legend">${words.map(({ state, word, share }) => html`<li><svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">${svg`<rect class=${state} width="10" height="10" rx="2" />`}</svg><span>${word}</span> <span class="quiet">${share}</span></li>`)}</ul>`;
  }

  #list() {
    if (!this.entries) return nothing;
    const operations = this.#operations();
    return html`<section class="card"><header><h2>${t('nav.operations')}</h2>
        ${operations.length > SHOWN ? html`<a href="operations?deviceID=${this.device}">${t('operations.all')}</a>` : nothing}</header>
      ${operations.length === 0
        ? html`<p class="quiet">${t('device.operations.none')}</p>`
        : html`<div class="rows operations flat"><ul aria-label=${t('nav.operations')}>${operations.slice(0, SHOWN).map((one) => line(one, '', this.progress))}</ul></div>`}
    </section>`;
  }
}
customElements.define('ni-timeline', Timeline);

/** @param {Operation} operation */
const operationKind = ({ state }) => (state === 'succeeded' ? 'done' : state === 'queued' || state === 'running' ? 'going' : state === 'canceled' ? 'none' : 'wrong');
