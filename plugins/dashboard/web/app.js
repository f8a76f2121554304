// The application: who is signed in, which page is shown, and the frame around it.
import { html, nothing, render } from './vendor/lit.js';
import { base, begin, call, early, events, everyone, loadSession, looked, may, post, session } from './api.js';
import { Part, announce, brand, has, icon, keep, language, languages, loadWords, notifyError, problem, setLanguage, t } from './ui.js';

/** How long a tab that nobody looks at keeps its stream of events, in milliseconds. */
const UNSEEN = 20_000;

/** @typedef {import('./ui.js').IconName} IconName */
/** @typedef {{default: new () => import('./ui.js').Page}} Module */

/**
 * The list of pages: one line each. A page is a file in pages/, named as the first word of its path, so that the server
 * knows that there is such a page; its default export is a component that extends Page. `nav` puts it into the navigation,
 * with its name from the catalogue (`nav.…`); `needs` is the permission without which it is not offered; `open` are those
 * for whoever is not signed in.
 * @typedef {{path: string, load: () => Promise<Module>,
 *   nav?: IconName, under?: string, needs?: string, open?: boolean}} PageEntry
 */

/** @type {PageEntry[]} */
export const pages = [
  { path: 'devices', load: () => import('./pages/devices.js'), nav: 'devices', },
  { path: 'devices/:id', load: () => import('./pages/device.js'), under: 'devices' },
  { path: 'agents', load: () => import('./pages/agents.js'), nav: 'agents' },
  { path: 'agents/:id', load: () => import('./pages/agent.js'), under: 'agents' },
  { path: 'operations', load: () => import('./pages/operations.js'), nav: 'operations' },
  { path: 'operations/:uuid', load: () => import('./pages/operation.js'), under: 'operations' },
  { path: 'users', load: () => import('./pages/users.js'), nav: 'users', needs: 'users:read' },
  { path: 'audit', load: () => import('./pages/audit.js'), nav: 'audit', needs: 'audit:read' },
  { path: 'server', load: () => import('./pages/server.js'), nav: 'server', needs: 'server:admin' },
  { path: 'account', load: () => import('./pages/account.js') },
  { path: 'reset', load: () => import('./pages/reset.js'), open: true },
  { path: 'welcome', load: () => import('./pages/welcome.js'), open: true },
];

/** What a placeholder stands for: a number, and `:uuid` a UUID. */
const NUMBER = /^[1-9][0-9]*$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The page that is shown where the application begins. */
const home = 'devices';

/**
 * The page of a path, and the values of its placeholders.
 * @param {string} path without the slash it begins with
 * @returns {{page: PageEntry, params: Record<string, string>} | undefined}
 */
function find(path) {
  const words = (path.replace(/\/$/, '') || home).split('/');
  for (const page of pages) {
    const pattern = page.path.split('/');
    if (pattern.length !== words.length) continue;
    /** @type {Record<string, string>} */
    const params = {};
    const fits = pattern.every((part, i) => {
      if (!part.startsWith(':')) return part === words[i];
      if (!(part === ':uuid' ? UUID : NUMBER).test(words[i])) return false;
      params[part.slice(1)] = words[i];
      return true;
    });
    if (fits) return { page, params };
  }
  return undefined;
}

const THEMES = ['system', 'light', 'dark'];

/** @param {string} theme */
function setTheme(theme) {
  keep('theme', theme);
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

/**
 * Signs in, here and in the other tabs.
 * @param {{username: string, password: string, code?: string}} credentials
 */
export async function signIn(credentials) {
  const sent = window.signingIn;
  delete window.signingIn;
  await call('POST', 'auth/login', { body: credentials, sent });
  await loadSession();
}

/** Signs out, here and in the other tabs. */
export async function signOut() {
  await post('auth/logout');
  await loadSession();
}

/**
 * The pages that plugins add to the navigation and who is signed in may open. They lie outside of this application: whoever
 * follows a link to one loads it.
 */
export const furtherPages = () =>
  (session?.navigation ?? []).map(({ path, title }) => {
    const key = `further.${path.slice(1)}`;
    return { href: new URL(path.slice(1), base).href, title: has(key) ? t(key) : title };
  });

/**
 * Changes what is shown, and has the browser fade from the one to the other where it can and its reader wants motion.
 * @param {() => Promise<void>} change @param {boolean} quietly
 */
function smoothly(change, quietly) {
  if (quietly || !document.startViewTransition || matchMedia('(prefers-reduced-motion: reduce)').matches) return change();
  const transition = document.startViewTransition(change);
  // It is not shown where nobody looks, or where the next one has begun.
  transition.ready.catch(() => undefined);
  return transition.updateCallbackDone;
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
      if (this.reached && session) announce(t(this.live ? 'live.back' : 'live.lost'));
      this.requestUpdate();
    });
    void this.start();
  }

  start = async () => {
    // What will be wanted most likely comes while the session is asked for.
    if (localStorage.getItem('known')) void find(here())?.page.load();
    try {
      await Promise.all([loadWords(), early?.session]);
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
    /** @type {() => Promise<Module>} */
    let load;
    let name = here();
    if (!session && !found?.page.open) {
      load = () => import('./pages/sign-in.js');
      name = ':sign-in';
      localStorage.removeItem('known');
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
      if (turn === 1 && found?.page.path === home) page.ahead = early?.lists ?? null;
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

  /** @override */
  updated() {
    // The form that the document showed meanwhile has done its work.
    if (this.page || this.phase === 'failed') document.getElementById('early')?.remove();
  }

  /** @param {import('./ui.js').Page} page @param {boolean} quietly */
  #put(page, quietly) {
    const change = async () => {
      this.page = page;
      this.requestUpdate();
      await this.updateComplete;
      await page.updateComplete;
      if (session && !quietly) scrollTo(0, 0);
    };
    const title = () => {
      document.title = page.heading ? `${page.heading} · NetIgnite` : 'NetIgnite';
    };
    page.addEventListener('heading', title);
    void smoothly(change, quietly).then(() => {
      title();
      if (!session) return;
      localStorage.setItem('known', base.pathname);
      // A page that reads no list learns of an ended session, too.
      begin();
      this.ended = false;
      if (quietly) return;
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
        ${furtherPages().map(({ href, title }) => html`<a class="further" href=${href} target="_self">${icon('page')}<span>${title}</span></a>`)}
      </nav>
      <main id="main" tabindex="-1">${this.page}</main>
    `;
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
      sessionStorage.setItem('everyone', String(/** @type {HTMLInputElement} */ (event.target).checked));
      location.reload();
    };
    return html`<button class="account plain" popovertarget="account-menu" aria-label=${t('menu', { name: session?.username })}>
        ${icon('account')}<span>${session?.username}</span>
      </button>
      <div id="account-menu" class="menu" popover @click=${this.#closeMenu}>
        <a href="account">${icon('account')}${t('nav.account')}</a>
        ${furtherPages().map(({ href, title }) => html`<a href=${href} target="_self">${icon('page')}${title}</a>`)}
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

/** @type {ReturnType<typeof setTimeout> | undefined} */
let unseen;
document.addEventListener('visibilitychange', () => {
  clearTimeout(unseen);
  if (document.hidden) unseen = setTimeout(() => looked(false), UNSEEN);
  else looked(true);
});
addEventListener('unhandledrejection', ({ reason }) => {
  if (reason?.name !== 'AbortError') notifyError(reason);
});

const app = new App();
render(
  html`${app}
    <div id="notices" popover="manual" aria-live="polite"></div>
    <div id="announcements" class="unseen" aria-live="polite"></div>`,
  document.body,
);
