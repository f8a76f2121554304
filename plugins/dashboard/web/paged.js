// Lists that the server pages by the `Link` of its answers.
import { base, call } from './api.js';

/**
 * One page of a list, and where the next one begins.
 * @param {string} path @param {Record<string, string | number | undefined>} query
 * @returns {Promise<{list: any, cursor: string | null}>}
 */
export async function getPage(path, query) {
  let link = '';
  const list = await call('GET', path, { query, heads: (headers) => (link = headers.get('link') ?? '') });
  const [, next] = /<([^>]*)>;\s*rel="?next"?/.exec(link) ?? [];
  return { list, cursor: next ? new URL(next, base).searchParams.get('cursor') : null };
}
