// docs/tutorial.md, word for word, in an empty directory: every command is typed, every program saved and run, and what the page
// shows is what comes, but for its numbers. Only `npm install burgeon` is done by a link to this tree.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageRoot } from '../../lib/package.ts';

const page = await readFile(path.join(packageRoot, 'docs', 'tutorial.md'), 'utf8');
const blocks = [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, kind, text]) => ({ kind: kind!, text: text! }));

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'burgeon-tutorial-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function install(): Promise<void> {
  const modules = path.join(directory, 'node_modules');
  await mkdir(path.join(modules, '.bin'), { recursive: true });
  await symlink(packageRoot, path.join(modules, 'burgeon'));
  await symlink(path.join('..', 'burgeon', 'dist', 'cli', 'main.js'), path.join(modules, '.bin', 'burgeon'));
  // Set by npm where it installs.
  await promisify(execFile)('chmod', ['+x', path.join(packageRoot, 'dist', 'cli', 'main.js')]);
}

async function type(line: string): Promise<string> {
  if (line === 'npm install burgeon') {
    await install();
    return '';
  }
  const { BURGEON_THREADS: _, ...env } = process.env;
  const { stdout } = await promisify(execFile)('bash', ['-c', line], { cwd: directory, env });
  return stdout;
}

/** Numbers, times, directions and instruction sets differ between machines; the width of a column goes with them. */
const masked = (line: string) =>
  line
    .replaceAll(/\d[\d.,:]*(?: [kMGTm](?![a-z]{2})\w*| s\b)?/g, '#')
    .replace(/\b(?:lower|higher|the same)$/, 'than')
    .replace(/cpu \(\w+#?\w*\), # threads?/, 'cpu')
    .replaceAll(/ +/g, ' ')
    .trim();

test('the tutorial works as it stands', { timeout: 1_200_000 }, async () => {
  const kinds = blocks.map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === 'sh').length).toBeGreaterThan(6);
  let output = '';
  for (const { kind, text } of blocks) {
    if (kind === 'sh') {
      output = '';
      for (const line of text.trimEnd().split('\n')) output += await type(line);
    } else if (kind === 'js') {
      await writeFile(path.join(directory, /^\/\/ (\S+)\n/.exec(text)![1]!), text);
    } else {
      const lines = output.split('\n').map(masked);
      for (const line of text.trimEnd().split('\n')) expect(lines).toContain(masked(line));
    }
  }
  // What the last commands left behind.
  expect(await readdir(path.join(directory, 'my-model'))).toEqual(['.gitignore', 'own-text.yaml']);
  for (const file of ['runs/shakespeare-char/report.html', 'comparison.html']) {
    expect(await readFile(path.join(directory, file), 'utf8')).toContain('</html>');
  }
  const config = await readFile(path.join(directory, 'shakespeare-char.yaml'), 'utf8');
  expect(config).toMatch(/^# yaml-language-server: \$schema=node_modules\/burgeon\/dist\/train-config\.schema\.json\n/);
  const { summary } = JSON.parse(
    (await readFile(path.join(directory, 'runs/shakespeare-char/metrics.jsonl'), 'utf8')).trimEnd().split('\n').at(-1)!,
  );
  // Far below what pairs of characters achieve; the page says 1.9585.
  expect(summary.validationLoss).toBeLessThan(2.05);
});
