// The list of pages: one line each. A page is a file in pages/, named as the first word of its path, so that the server
// knows that there is such a page; its default export is a component that extends Page. `nav` puts it into the
// navigation, with its name from the catalogue (`nav.…`); `needs` is the permission without which it is not offered.

/**
 * @typedef {{path: string, load: () => Promise<{default: new () => import('./ui.js').Page}>,
 *   nav?: import('./ui.js').IconName, under?: string, needs?: string, open?: boolean}} PageEntry
 */

/** @type {PageEntry[]} */
export const pages = [
  { path: 'devices', load: () => import('./pages/devices.js'), nav: 'devices' },
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
export const home = 'devices';

/**
 * The page of a path, and the values of its placeholders.
 * @param {string} path without the slash it begins with
 * @returns {{page: PageEntry, params: Record<string, string>} | undefined}
 */
export function find(path) {
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
