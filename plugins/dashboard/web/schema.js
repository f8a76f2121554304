// From a JSON Schema to the fields of a form, and from what was typed back to the object that the schema describes.
// Nothing here knows how a form looks.

/**
 * @typedef {{path: string[], kind: 'text' | 'number' | 'integer' | 'boolean' | 'choice' | 'lines' | 'json',
 *   label: string, description: string, required: boolean, options: string[], min?: number, max?: number,
 *   minLength?: number, maxLength?: number, pattern?: string, value: string}} Field
 */

/**
 * A schema with its reference followed and "or null" taken away.
 * @param {JsonSchema} schema
 * @param {JsonSchema} root
 * @returns {JsonSchema & {nullable?: boolean}}
 */
export function resolve(schema, root, depth = 0) {
  if (depth > 20) return {};
  if (schema.$ref) {
    const { $ref, ...beside } = schema;
    return { ...resolve(at($ref, root) ?? {}, root, depth + 1), ...beside };
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) {
    const some = choices.filter(({ type }) => type !== 'null');
    if (some.length === 1) {
      const { anyOf: _a, oneOf: _o, ...beside } = schema;
      return { ...resolve(some[0], root, depth + 1), ...beside, nullable: some.length < choices.length };
    }
    // Words that are each described for themselves.
    if (some.every((choice) => 'const' in choice)) return { ...schema, enum: some.map((choice) => choice.const) };
  }
  if (Array.isArray(schema.type)) {
    const types = schema.type.filter((type) => type !== 'null');
    if (types.length === 1) return { ...schema, type: types[0], nullable: types.length < schema.type.length };
  }
  return schema;
}

/**
 * What a reference such as `#/$defs/Mac` or `#/components/schemas/Mac` leads to.
 * @param {string} reference
 * @param {any} root
 * @returns {any}
 */
export function at(reference, root) {
  const steps = reference.split('/').slice(1);
  return steps.reduce((here, step) => here?.[step.replaceAll('~1', '/').replaceAll('~0', '~')], root);
}

/**
 * The fields of an object's schema, nested ones with their path.
 * @param {JsonSchema} schema
 * @returns {Field[]}
 */
export function fields(schema, root = schema, path = /** @type {string[]} */ ([]), needed = true) {
  const object = resolve(schema, root);
  /** @type {Field[]} */
  const found = [];
  for (const [name, raw] of Object.entries(object.properties ?? {})) {
    const property = resolve(raw, root);
    const required = needed && (object.required ?? []).includes(name);
    const here = [...path, name];
    if (property.type === 'object' && property.properties && here.length < 4) {
      found.push(...fields(property, root, here, required));
      continue;
    }
    found.push({
      path: here,
      kind: kind(property, root),
      label: here.map(words).join(' · '),
      description: property.description ?? '',
      required,
      options: (property.enum ?? []).filter((value) => value !== null).map(String),
      min: property.minimum,
      max: property.maximum,
      minLength: property.minLength,
      maxLength: property.maxLength,
      pattern: pattern(property.pattern),
      value: property.default === undefined || property.default === null ? '' : String(property.default),
    });
  }
  return found;
}

/** @param {JsonSchema} schema @param {JsonSchema} root @returns {Field['kind']} */
function kind(schema, root) {
  if (schema.enum) return 'choice';
  switch (schema.type) {
    case 'string':
      return 'text';
    case 'boolean':
    case 'number':
    case 'integer':
      return schema.type;
    case 'array':
      return resolve(schema.items ?? {}, root).type === 'string' ? 'lines' : 'json';
    default:
      return 'json';
  }
}

/** A schema's pattern as an input takes it, whose expressions are stricter; none where that cannot be. @param {string} [text] */
function pattern(text) {
  if (text === undefined) return undefined;
  const stricter = text.replace(/(?<!\\)-\]/g, '\\-]');
  try {
    new RegExp(stricter, 'v');
    return `.*(?:${stricter}).*`;
  } catch {
    return undefined;
  }
}

/** A name of a program as people read it: `macAddress` is "MAC address". @param {string} name */
export function words(name) {
  const split = name.replace(/_/g, ' ').replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase();
  const text = split.replace(/\b(mac|id|ip|url|tcp|udp|icmp|ms)\b/g, (word) => word.toUpperCase());
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * The object that was typed. What was left empty is left out.
 * @param {Field[]} fields
 * @param {Record<string, string | undefined>} values by the fields' paths, joined with dots
 * @returns {Record<string, unknown>}
 */
export function read(fields, values) {
  /** @type {Record<string, any>} */
  const object = {};
  for (const field of fields) {
    const text = values[field.path.join('.')] ?? '';
    const value = one(field, text);
    if (value === undefined) continue;
    let into = object;
    for (const name of field.path.slice(0, -1)) into = into[name] ??= {};
    into[field.path[field.path.length - 1]] = value;
  }
  return object;
}

/** @param {Field} field @param {string} text */
function one({ kind, required }, text) {
  switch (kind) {
    case 'boolean':
      return text === 'on' ? true : required ? false : undefined;
    case 'number':
    case 'integer':
      return text.trim() === '' ? undefined : Number(text);
    case 'lines': {
      const lines = text.split('\n').map((line) => line.trim()).filter(Boolean);
      return lines.length > 0 || required ? lines : undefined;
    }
    case 'json':
      return text.trim() === '' ? undefined : JSON.parse(text);
    default:
      return text === '' && !required ? undefined : text;
  }
}
