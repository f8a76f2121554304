// Builds web/vendor/: the modules of others that the page loads, from the packages that the lockfile pins. With --check
// it writes nothing and fails where a committed file differs by a byte.
import { readFile, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';

const root = new URL('../../..', import.meta.url).pathname;
const modules = {
  'lit.js': {
    banner: 'Lit, copyright Google LLC, BSD-3-Clause.',
    contents: `
      export { LitElement, html, svg, nothing, render } from 'lit';
      export { repeat } from 'lit/directives/repeat.js';
    `,
  },
  'qr.js': {
    banner: 'uqr, copyright Anthony Fu, with parts copyright Project Nayuki, MIT.',
    contents: `export { encode } from 'uqr';`,
  },
};

let stale = false;
for (const [name, { banner, contents }] of Object.entries(modules)) {
  const built = await build({
    stdin: { contents, resolveDir: root, loader: 'js' },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    legalComments: 'none',
    write: false,
    conditions: ['production'],
    banner: { js: `/* ${banner} Built by tools/vendor.js. */` },
  });
  const target = new URL(`../web/vendor/${name}`, import.meta.url);
  const text = built.outputFiles[0].text;
  if (!process.argv.includes('--check')) {
    await writeFile(target, text);
    console.log(`web/vendor/${name}: ${text.length} bytes`);
  } else if ((await readFile(target, 'utf8')) === text) {
    console.log(`web/vendor/${name} is what the lockfile makes`);
  } else {
    console.error(`web/vendor/${name} is not what the lockfile makes: run \`npm run vendor\` and commit it`);
    stale = true;
  }
}
if (stale) process.exit(1);
