// Bundles the page of reports and of the live page, script and style inlined, into dist/report/page.html. Part of
// npm run build:ts; the published package has the result.
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const source = path.join(root, 'lib', 'report', 'page');

async function bundle(entry) {
  const { outputFiles } = await build({
    entryPoints: [path.join(source, entry)],
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

const script = await bundle('main.ts');
const style = (await bundle('uplot.css')) + (await bundle('page.css'));
if (script.includes('</script')) throw new Error('the script would end its own element');
const page = (await readFile(path.join(source, 'page.html'), 'utf8'))
  // No other script runs in the page, whatever texts are in it.
  .replace('/*script-hash*/', `'sha256-${createHash('sha256').update(script).digest('base64')}'`)
  // Functions, so that $ in the code stands for itself.
  .replace('/*style*/', () => style)
  .replace('/*script*/', () => script);
await mkdir(path.join(root, 'dist', 'report'), { recursive: true });
await writeFile(path.join(root, 'dist', 'report', 'page.html'), page);
