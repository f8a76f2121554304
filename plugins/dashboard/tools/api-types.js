// Writes the types of the API's objects, as the committed document has them, to types/api-types.d.ts. With --check it only says
// whether that file is what it would write.
import { readFile, writeFile } from 'node:fs/promises';

const target = new URL('../types/api-types.d.ts', import.meta.url);
const { components } = JSON.parse(await readFile(new URL('../../../docs/openapi.json', import.meta.url), 'utf8'));

/** A name as TypeScript takes it: `Command.PROBE.reply` is `CommandProbeReply`. */
const named = (name) =>
  name.split('.').map((word) => (/^[A-Z_]+$/.test(word) ? word.toLowerCase().replace(/(^|_)([a-z])/g, (_, _a, letter) => letter.toUpperCase()) : word.charAt(0).toUpperCase() + word.slice(1))).join('');

/** A text as a comment, in one line where it is one. */
function comment(text, indent) {
  if (!text) return '';
  const lines = text.replaceAll('*/', '* /').split('\n');
  return lines.length === 1 ? `${indent}/** ${lines[0]} */\n` : `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join('')}${indent} */\n`;
}

/** A schema as a type. */
function type(schema, indent) {
  if (schema === true || Object.keys(schema).length === 0) return 'unknown';
  if (schema.$ref) return named(schema.$ref.replace(/^#\/components\/schemas\//, '').replace('/$defs/', '.'));
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const some = schema.anyOf ?? schema.oneOf;
  if (some) return some.map((one) => type(one, indent)).join(' | ');
  if (schema.allOf) return schema.allOf.map((one) => `(${type(one, indent)})`).join(' & ');
  if (Array.isArray(schema.type)) return schema.type.map((one) => type({ ...schema, type: one }, indent)).join(' | ');
  switch (schema.type) {
    case 'integer':
    case 'number':
      return 'number';
    case 'string':
    case 'boolean':
    case 'null':
      return schema.type;
    case 'array': {
      const inner = type(schema.items ?? {}, indent);
      return /[|&]/.test(inner) ? `(${inner})[]` : `${inner}[]`;
    }
    default:
      return object(schema, indent);
  }
}

/** An object's properties. */
function object({ properties, required = [], additionalProperties }, indent) {
  const further = indent + '  ';
  const lines = Object.entries(properties ?? {}).map(
    ([name, one]) => `${comment(one.description, further)}${further}${/^\w+$/.test(name) ? name : JSON.stringify(name)}${required.includes(name) ? '' : '?'}: ${type(one, further)};\n`,
  );
  if (additionalProperties && (!properties || typeof additionalProperties === 'object')) lines.push(`${further}[name: string]: ${type(additionalProperties, further)};\n`);
  if (lines.length > 0) return `{\n${lines.join('')}${indent}}`;
  return properties ? 'Record<string, never>' : 'Record<string, unknown>';
}

// What a schema has for itself is called after it too.
const inner = Object.entries(components.schemas).flatMap(([name, { $defs = {} }]) => Object.entries($defs).map(([own, schema]) => [`${name}.${own}`, schema]));
const types = [...Object.entries(components.schemas), ...inner].map(([name, schema]) => `${comment(schema.description, '  ')}  type ${named(name)} = ${type(schema, '  ')};\n`);
const text = `// The objects of the REST API, written by \`npm run api-types\` from docs/openapi.json: change that, not this.\n\ndeclare namespace Api {\n${types.join('\n')}}\n`;

if (process.argv.includes('--check')) {
  const committed = await readFile(target, 'utf8').catch(() => '');
  if (committed !== text) {
    console.error('plugins/dashboard/types/api-types.d.ts is old: npm run api-types, and look at the difference');
    process.exit(1);
  }
} else {
  await writeFile(target, text);
}
