// Compiles lib to dist, and the page of reports, before the tests when it is out of date: test/cli runs the compiled command as a user would, and
// a stale build must not decide a test. Type errors are left to `npm run types`: tsc writes its output all the same.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
/** Sources of the pages, which become one file each. */
const pages = [path.join('report', 'page'), path.join('bench', 'page')];

export default function setup(): void {
  if (isPageStale()) execFileSync(process.execPath, ['scripts/build-page.mjs'], { cwd: root });
  if (!isStale()) return;
  try {
    execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { cwd: root });
  } catch (cause) {
    if (isStale()) throw new Error(`tsc did not write dist:\n${(cause as { stdout?: Buffer }).stdout}`, { cause });
  }
}

/** Whether a file of lib, or what configures the compiler, is newer than its output. */
function isStale(): boolean {
  const settings = Math.max(...['tsconfig.json', 'tsconfig.build.json'].map((name) => modified(name)));
  return readdirSync(path.join(root, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !pages.some((page) => name.startsWith(page)))
    .some((name) => {
      const output = path.join('dist', name.replace(/\.ts$/, '.js'));
      return (
        !existsSync(path.join(root, output)) || modified(output) < Math.max(modified(path.join('lib', name)), settings)
      );
    });
}

/** Whether a file that may be part of a page is newer than the last of them. */
function isPageStale(): boolean {
  const outputs = pages.map((page) => path.join('dist', `${page}.html`));
  if (!outputs.every((output) => existsSync(path.join(root, output)))) return true;
  const built = Math.min(...outputs.map(modified));
  return readdirSync(path.join(root, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(?:ts|css|html)$/.test(name))
    .some((name) => modified(path.join('lib', name)) > built);
}

function modified(name: string): number {
  return statSync(path.join(root, name)).mtimeMs;
}
