// The application: who is signed in, which page is shown, and the frame around it.
import { html, nothing, render } from './vendor/lit.js';
import { base, events, everyone, furtherPages, loadSession, may, session, setEveryone, signOut } from './api.js';
import { language, languages, loadWords, setLanguage, t } from './i18n.js';
import { find, pages } from './pages.js';
import { Part, announce, brand, icon, notifyError, problem } from './ui.js';

/** @typedef {import('./pages.js').PageEntry} PageEntry */

const THEMES = ['system', 'light', 'dark'];

/** @param {string} theme */
function setTheme(theme) {
  localStorage.setItem('theme', theme);
  document.documentElement.dataset.theme = theme;
}
setTheme(localStorage.getItem('theme') ?? 'system');

/** The path of the page, from where the application begins. */
const here = () => decodeURI(location.pathname.slice(base.pathname.length));

/**
 * Shows the page of a path.
 * @param {string} path
 * @param {{replace?: boolean}} [options]
 */
export function go(path, { replace = false } = {}) {
  const url = new URL(path, base);
  if (replace) history.replaceState(null, '', url);
  else if (url.href !== location.href) history.pushState(null, '', url);
  void app.show();
}

class App extends Part {
  /** @type {'starting' | 'ready' | 'failed'} */
  phase = 'starting';
  /** @type {unknown} */
  failure = null;
  /** Whether the session ended while the page was used. */
  ended = false;
  reached = true;
  live = true;
  /** @type {import('./ui.js').Page | null} */
  page = null;
  /** @type {PageEntry | null} */
  entry = null;
  /** The pages of plugins, and whose navigation they are in. @type {{href: string, title: string}[]} */
  further = [];
  /** @type {number | null} */
  #furtherOf = null;
  /** What is shown now, so that a slow page does not replace a newer one. */
  #turn = 0;
  /** @type {string | null} */
  #shown = null;

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    addEventListener('popstate', () => void this.show());
    document.addEventListener('click', this.#follow);
    document.addEventListener('keydown', this.#keys);
    events.addEventListener('session', () => void this.show());
    events.addEventListener('ended', () => {
      this.ended = true;
      void this.show();
    });
    events.addEventListener('reached', (event) => {
      this.reached = /** @type {CustomEvent<boolean>} */ (event).detail;
      announce(t(this.reached ? 'link.back' : 'link.lost'));
      this.requestUpdate();
    });
    events.addEventListener('live', (event) => {
      this.live = /** @type {CustomEvent<boolean>} */ (event).detail;
      if (this.reached) announce(t(this.live ? 'live.back' : 'live.lost'));
      this.requestUpdate();
    });
    void this.start();
  }

  start = async () => {
    // What will be wanted most likely comes while the session is asked for.
    if (localStorage.getItem('known')) void Promise.all([find(here())?.page.load(), import('./live.js')]);
    try {
      await Promise.all([loadWords(), loadSession()]);
      this.phase = 'ready';
      await this.show();
    } catch (error) {
      this.failure = error;
      this.phase = 'failed';
      this.requestUpdate();
    }
  };

  /** Follows links inside the application without loading the document again. @param {MouseEvent} event */
  #follow = (event) => {
    const target = /** @type {Element} */ (event.target);
    const link = /** @type {HTMLAnchorElement | null} */ (target.closest?.('a[href]'));
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || event.defaultPrevented || link.target || link.hasAttribute('download')) return;
    const url = new URL(link.href);
    if (url.origin !== base.origin || !url.pathname.startsWith(base.pathname)) return;
    if (url.pathname.startsWith(`${base.pathname}api/`)) return;
    event.preventDefault();
    if (url.hash && url.pathname === location.pathname) {
      document.getElementById(url.hash.slice(1))?.focus();
      return;
    }
    go(url.href);
  };

  /** @param {KeyboardEvent} event */
  #keys = (event) => {
    if (event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey) && session) {
      event.preventDefault();
      void this.search();
    }
  };

  search = async () => {
    const { openPalette } = await import('./palette.js');
    await openPalette(go);
  };

  async show() {
    if (this.phase !== 'ready') return;
    const turn = ++this.#turn;
    const found = find(here());
    /** @type {() => Promise<{default: new () => import('./ui.js').Page}>} */
    let load;
    let name = here();
    if (!session && !found?.page.open) {
      load = () => {
        // Which it would name itself, one way to the server later.
        void import('./form.js');
        return import('./pages/sign-in.js');
      };
      name = ':sign-in';
    } else if (session?.totpSetupRequired && !found?.page.open) {
      load = () => import('./pages/second-factor.js');
      name = ':second-factor';
    } else if (!found || (found.page.needs && !may(found.page.needs))) {
      load = () => import('./pages/nothing.js');
    } else {
      load = found.page.load;
    }
    if (name === this.#shown && this.page) {
      this.requestUpdate();
      return;
    }
    try {
      const { default: Shown } = await load();
      if (turn !== this.#turn) return;
      const page = new Shown();
      page.params = found?.params ?? {};
      const first = this.#shown === null;
      this.#shown = name;
      this.entry = found?.page ?? null;
      this.#put(page, first || name === ':sign-in');
    } catch (error) {
      if (turn !== this.#turn) return;
      this.failure = error;
      this.phase = 'failed';
      this.requestUpdate();
    }
  }

  /** @param {import('./ui.js').Page} page @param {boolean} quietly */
  #put(page, quietly) {
    const change = async () => {
      this.page = page;
      this.requestUpdate();
      await this.updateComplete;
      await page.updateComplete;
    };
    const title = () => {
      document.title = page.heading ? `${page.heading} · NetIgnite` : 'NetIgnite';
    };
    page.addEventListener('heading', title);
    void change().then(() => {
      title();
      if (!session) return;
      localStorage.setItem('known', 'true');
      void import('./live.js');
      requestIdleCallback(() => void this.#askFurther(), { timeout: 3000 });
      this.ended = false;
      if (quietly) return;
      scrollTo(0, 0);
      // So that the next Tab begins at the page, and a screen reader says where one is.
      /** @type {HTMLElement | null} */ (this.querySelector('main h1'))?.focus({ preventScroll: true });
    });
  }

  /** @override */
  render() {
    if (this.phase === 'failed') {
      return html`<main class="alone">${problem(this.failure, () => location.reload())}</main>`;
    }
    if (!this.page) return nothing;
    if (!session || session.totpSetupRequired || this.entry?.open) {
      return html`<main class="alone">${this.page}</main>`;
    }
    const offered = pages.filter(({ nav, needs }) => nav && (!needs || may(needs)));
    const current = this.entry?.under ?? this.entry?.path;
    return html`
      <a class="skip" href="#main">${t('skip')}</a>
      <header class="top">
        <a class="brand" href="./">${brand}<span>NetIgnite</span></a>
        <button class="search" @click=${this.search} aria-keyshortcuts="Control+K">
          ${icon('search')}<span>${t('search')}</span><kbd aria-hidden="true">Ctrl K</kbd>
        </button>
        ${this.#link()} ${this.#account()}
      </header>
      <nav aria-label=${t('nav')}>
        ${offered.map(
          ({ path, nav }) =>
            html`<a href=${path} aria-current=${path === current ? 'page' : nothing}
              >${icon(/** @type {import('./ui.js').IconName} */ (nav))}<span>${t(`nav.${path}`)}</span></a
            >`,
        )}
        ${this.further.map(({ href, title }) => html`<a class="further" href=${href} target="_self">${icon('page')}<span>${title}</span></a>`)}
      </nav>
      <main id="main" tabindex="-1">${this.page}</main>
    `;
  }

  /** Asks for the pages of plugins, after what one came for is there. */
  async #askFurther() {
    if (!session || this.#furtherOf === session.userID) return;
    this.#furtherOf = session.userID;
    this.further = await furtherPages().catch(() => []);
    this.requestUpdate();
  }

  #link() {
    const now = !this.reached ? 'down' : this.live ? 'up' : 'stale';
    return html`<span class="reach ${now}" role="status" title=${now === 'stale' ? t('live.lost') : nothing}>
      <span>${t(`link.${now}`)}</span>
    </span>`;
  }

  #account() {
    const leave = () => signOut().then(() => go('./'), notifyError);
    const all = (/** @type {Event} */ event) => {
      setEveryone(/** @type {HTMLInputElement} */ (event.target).checked);
      location.reload();
    };
    return html`<button class="account plain" popovertarget="account-menu" aria-label=${t('menu', { name: session?.username })}>
        ${icon('account')}<span>${session?.username}</span>
      </button>
      <div id="account-menu" class="menu" popover @click=${this.#closeMenu}>
        <a href="account">${icon('account')}${t('nav.account')}</a>
        ${this.further.map(({ href, title }) => html`<a href=${href} target="_self">${icon('page')}${title}</a>`)}
        <label class="row">${t('theme')}
          <select @change=${(/** @type {Event} */ e) => setTheme(/** @type {HTMLSelectElement} */ (e.target).value)}>
            ${THEMES.map(
              (theme) =>
                html`<option value=${theme} ?selected=${theme === document.documentElement.dataset.theme}>
                  ${t(`theme.${theme}`)}
                </option>`,
            )}
          </select>
        </label>
        <label class="row">${t('language')}
          <select @change=${(/** @type {Event} */ e) => setLanguage(/** @type {HTMLSelectElement} */ (e.target).value)}>
            ${Object.entries(languages).map(
              ([key, name]) => html`<option value=${key} ?selected=${key === language}>${name}</option>`,
            )}
          </select>
        </label>
        ${session?.role === 'admin'
          ? html`<label class="row check"><span>${t('everyone')}</span
              ><input type="checkbox" .checked=${everyone} @change=${all} /></label>`
          : nothing}
        <button class="plain" @click=${leave}>${icon('out')}${t('signOut')}</button>
      </div>`;
  }

  /** @param {Event} event */
  #closeMenu = (event) => {
    const target = /** @type {Element} */ (event.target);
    if (target.closest('a, button')) /** @type {HTMLElement | null} */ (this.querySelector('#account-menu'))?.hidePopover();
  };
}
customElements.define('ni-app', App);

/** Whether the session ended while the page was used. */
export const wasEnded = () => app.ended;

addEventListener('unhandledrejection', ({ reason }) => {
  if (reason?.name !== 'AbortError') notifyError(reason);
});

const app = new App();
render(
  html`${app}
    <div id="notices" popover="manual"></div>
    <div id="announcements" class="unseen" aria-live="polite"></div>`,
  document.body,
);
