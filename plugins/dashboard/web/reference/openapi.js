// What an OpenAPI document says, as the reference shows it: routes in groups, what a schema allows in words, the text of
// each error code, and a call as a line for a shell. Nothing here knows how a page looks.
import { at, resolve } from '../schema.js';

/**
 * @typedef {{name: string, in: 'path' | 'query' | 'header', required: boolean, description: string, schema: JsonSchema}} Parameter
 * @typedef {{status: string, description: string, schema: JsonSchema | null, types: string[], headers: [string, string][],
 *   codes: {code: string, text: string}[]}} Response
 * @typedef {{id: string, method: string, path: string, tag: string, summary: string, note: string, permissions: string[],
 *   who: 'public' | 'session' | 'caller' | 'agent' | 'operator', parameters: Parameter[],
 *   body: {required: boolean, schema: JsonSchema, example: unknown} | null, responses: Response[], text: string}} Route
 * @typedef {{name: string, about: string, routes: Route[]}} Group
 */

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

/**
 * The routes of a document, in the order of its tags.
 * @param {any} root
 * @returns {Group[]}
 */
export function groups(root) {
  /** @type {Map<string, Group>} */
  const found = new Map();
  for (const { name, description = '' } of root.tags ?? []) found.set(name, { name, about: description, routes: [] });
  for (const [path, item] of Object.entries(root.paths ?? {})) {
    for (const method of METHODS) {
      if (!item[method]) continue;
      const one = route(root, path, method, item[method]);
      if (!found.has(one.tag)) found.set(one.tag, { name: one.tag, about: '', routes: [] });
      found.get(one.tag)?.routes.push(one);
    }
  }
  return [...found.values()].filter(({ routes }) => routes.length > 0);
}

/**
 * @param {any} root @param {string} path @param {string} method @param {any} operation
 * @returns {Route}
 */
function route(root, path, method, operation) {
  const { operationId, summary = '', description = '', tags = [], parameters = [], requestBody, security } = operation;
  const permissions = operation['x-permissions'] ?? [];
  const json = requestBody?.content?.['application/json'];
  const responses = Object.entries(operation.responses ?? {}).map(([status, one]) => response(status, one.$ref ? at(one.$ref, root) : one, root));
  const codes = responses.flatMap((one) => one.codes.map(({ code }) => code));
  const names = parameters.map((/** @type {any} */ parameter) => parameter.name);
  return {
    id: operationId ?? `${method}_${path}`.replace(/\W+/g, '_'),
    method: method.toUpperCase(),
    path,
    tag: tags[0] ?? '',
    summary,
    // Whom it is open to is said in the reader's language.
    note: permissions.length > 0 && /^Needs [\w: ]+\.$/.test(description) ? '' : description,
    permissions,
    who: who(security ?? root.security ?? [], description),
    parameters: parameters.map((/** @type {any} */ one) => ({ required: false, description: '', schema: {}, ...one })),
    body: json ? { required: requestBody.required ?? false, schema: json.schema ?? {}, example: json.example } : null,
    responses,
    text: [method, path, summary, tags[0], ...permissions, ...codes, ...names].join(' ').toLowerCase(),
  };
}

/** @param {Record<string, unknown>[]} security @param {string} description @returns {Route['who']} */
function who(security, description) {
  const ways = security.flatMap((one) => Object.keys(one));
  if (description.startsWith('Open to the local operator alone')) return 'operator';
  if (ways.length === 0) return 'public';
  if (ways.includes('agent')) return 'agent';
  return ways.includes('token') ? 'caller' : 'session';
}

/** @param {string} status @param {any} one @param {any} root @returns {Response} */
function response(status, one, root) {
  const content = one?.content ?? {};
  const codes = codesOf(one?.description ?? '');
  const schema = codes.length > 0 ? null : (content['application/json']?.schema ?? null);
  return {
    status,
    description: codes.length > 0 ? '' : (one?.description ?? ''),
    schema: schema && data(schema, root),
    types: Object.keys(content),
    headers: Object.entries(one?.headers ?? {}).map(([name, header]) => [name, /** @type {any} */ (header).description ?? '']),
    codes,
  };
}

/** What is in the envelope, which is the same around every answer. @param {JsonSchema} schema @param {any} root */
function data(schema, root) {
  const whole = resolve(schema, root);
  return whole.properties?.requestID && whole.properties.data ? whole.properties.data : schema;
}

/** The error codes that a description lists, each with its text. @param {string} description */
export function codesOf(description) {
  return [...description.matchAll(/^- `(\w+)`: (.*)$/gm)].map(([, code, text]) => ({ code, text }));
}

/**
 * Every error code of a document, with its text and the statuses it comes with.
 * @param {Group[]} groups
 * @returns {{code: string, text: string, statuses: string[]}[]}
 */
export function allCodes(groups) {
  /** @type {Map<string, {code: string, text: string, statuses: string[]}>} */
  const found = new Map();
  for (const { status, codes } of groups.flatMap(({ routes }) => routes.flatMap(({ responses }) => responses))) {
    for (const { code, text } of codes) {
      const known = found.get(code) ?? { code, text, statuses: [] };
      if (!known.statuses.includes(status)) known.statuses.push(status);
      found.set(code, known);
    }
  }
  return [...found.values()].sort((a, b) => a.code.localeCompare(b.code));
}

/**
 * Whether a route has every word that was typed.
 * @param {Route} route @param {string} typed
 */
export const matches = (route, typed) =>
  typed.toLowerCase().split(/\s+/).every((word) => route.text.includes(word));

/**
 * What a schema is, in a word of JSON.
 * @param {JsonSchema} schema @param {any} root
 * @returns {string}
 */
export function typeOf(schema, root, depth = 0) {
  if (depth > 6) return 'any';
  const one = resolve(schema, root);
  const or = one.nullable ? ' | null' : '';
  if (one.const !== undefined) return JSON.stringify(one.const) + or;
  if (one.enum) return one.enum.map((value) => JSON.stringify(value)).join(' | ') + or;
  const some = one.anyOf ?? one.oneOf;
  if (some) return [...new Set(some.map((choice) => typeOf(choice, root, depth + 1)))].join(' | ') + or;
  if (one.type === 'array') {
    const inner = typeOf(one.items ?? {}, root, depth + 1);
    return `${inner.includes(' | ') ? `(${inner})` : inner}[]${or}`;
  }
  if (Array.isArray(one.type)) return one.type.join(' | ');
  return (one.type ?? (one.properties ? 'object' : 'any')) + or;
}

/**
 * The bounds of a schema, as conditions of which each is short.
 * @param {JsonSchema} schema @param {any} root
 * @returns {string[]}
 */
export function boundsOf(schema, root) {
  const { minimum, maximum, minLength, maxLength, minItems, maxItems, pattern, default: usual } = /** @type {any} */ (resolve(schema, root));
  const found = [];
  const range = (/** @type {number | undefined} */ low, /** @type {number | undefined} */ high, /** @type {string} */ name) => {
    if (low !== undefined && high !== undefined) found.push(`${low} ≤ ${name} ≤ ${high}`);
    else if (low !== undefined) found.push(`${name} ≥ ${low}`);
    else if (high !== undefined) found.push(`${name} ≤ ${high}`);
  };
  range(minimum, maximum, 'n');
  range(minLength, maxLength, 'length');
  range(minItems, maxItems, 'items');
  if (pattern !== undefined) found.push(`/${pattern}/`);
  if (usual !== undefined && usual !== null) found.push(`= ${JSON.stringify(usual)}`);
  return found;
}

/** A text as one word of a POSIX shell. @param {string} text */
const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/**
 * A call as a line for a shell. The token is named, not shown.
 * @param {{method: string, url: string, headers?: Record<string, string>, body?: string, token?: boolean}} call
 */
export function curl({ method, url, headers = {}, body, token = false }) {
  const words = ['curl -sS'];
  const usual = body === undefined ? 'GET' : 'POST';
  if (method !== usual) words.push(`-X ${method}`);
  words.push(quoted(url));
  const lines = [words.join(' ')];
  if (token) lines.push('-H "Authorization: Bearer $NETIGNITE_TOKEN"');
  for (const [name, value] of Object.entries(headers)) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body !== undefined) lines.push(`-H 'Content-Type: application/json'`, `-d ${quoted(body)}`);
  return lines.join(' \\\n  ');
}

/**
 * The call of a route as an example: placeholders stay, the body is the document's example or what it needs at least.
 * @param {Route} route @param {URL} base
 */
export function example(route, base) {
  const body = route.body && (route.body.example !== undefined || route.body.required) ? JSON.stringify(route.body.example ?? {}) : undefined;
  const needed = route.parameters.filter(({ in: where, required }) => where === 'query' && required).map(({ name }) => `${name}=…`);
  const url = base.href.replace(/\/$/, '') + route.path + (needed.length > 0 ? `?${needed.join('&')}` : '');
  return curl({ method: route.method, url, body, token: route.who === 'caller' });
}
