// Bundles the pages, scripts and styles inlined: that of reports and of the live page into dist/report/page.html, that of benchmarks
// and profiles into dist/bench/page.html. Part of npm run build:ts; the published package has the results.
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const lib = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), 'lib');
const report = path.join(lib, 'report', 'page');
const bench = path.join(lib, 'bench', 'page');

async function bundle(entry) {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'inline',
  });
  return outputFiles[0].text;
}

/** Fills the frame that all pages have. */
async function buildPage(source, styles) {
  const script = await bundle(path.join(source, 'main.ts'));
  const style = (await Promise.all(styles.map(bundle))).join('');
  if (script.includes('</script')) throw new Error('the script would end its own element');
  const page = (await readFile(path.join(report, 'page.html'), 'utf8'))
    // No other script runs in the page, whatever texts are in it.
    .replace('/*script-hash*/', `'sha256-${createHash('sha256').update(script).digest('base64')}'`)
    // Functions, so that $ in the code stands for itself.
    .replace('/*style*/', () => style)
    .replace('/*script*/', () => script);
  const output = path.join(lib, '..', 'dist', path.relative(lib, source));
  await mkdir(path.dirname(output), { recursive: true });
  await writeFile(`${output}.html`, page);
}

await buildPage(report, [path.join(report, 'uplot.css'), path.join(report, 'page.css')]);
await buildPage(bench, [path.join(bench, 'page.css')]);
