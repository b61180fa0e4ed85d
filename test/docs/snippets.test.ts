// The programs in the documentation: every ```js block runs as it stands, in its own process and an empty directory, on the
// compiled package. Where a block says what it prints (`// → ...`), that is what it must print.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/addon/load.ts';

const pages = ['README.md', 'docs/api.md', 'docs/errors.md'];

const snippets = (
  await Promise.all(
    pages.map(async (page) => {
      const text = await readFile(path.join(packageRoot, page), 'utf8');
      return [...text.matchAll(/^```js\n(.*?)^```$/gms)].map((match) => ({
        where: `${page}:${text.slice(0, match.index).split('\n').length}`,
        program: match[1]!,
      }));
    }),
  )
).flat();

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-snippets-'));
  await mkdir(path.join(directory, 'node_modules'));
  await symlink(packageRoot, path.join(directory, 'node_modules', 'burgeon'));
});
afterAll(() => rm(directory, { recursive: true }));

/** The lines that a program says it prints. */
function promises(program: string): string[] {
  return [...program.matchAll(/\/\/ → (.*)$/gm)].map((match) => match[1]!);
}

describe('programs in the documentation', () => {
  it('are found', () => {
    for (const page of ['docs/api.md', 'docs/errors.md']) {
      expect(snippets.some(({ where }) => where.startsWith(page))).toBe(true);
    }
    expect(snippets.flatMap(({ program }) => promises(program)).length).toBeGreaterThan(10);
  });

  it.each(snippets)('$where', async ({ where, program }) => {
    const cwd = path.join(directory, where.replaceAll(/\W/g, '-'));
    await mkdir(cwd);
    await writeFile(path.join(cwd, 'program.mjs'), program);
    // Their temporary files go with the directory.
    const env = { ...process.env, TMPDIR: cwd };
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['program.mjs'], { cwd, env });
    expect(stderr).toBe('');
    const expected = promises(program);
    if (expected.length > 0) expect(stdout.trimEnd().split('\n')).toEqual(expected);
  });
});

describe('docs/api.md', () => {
  it('names everything that lib/index.ts exports', async () => {
    const index = await readFile(path.join(packageRoot, 'lib', 'index.ts'), 'utf8');
    const names = [...index.matchAll(/export (?:type )?\{(.*?)\}/gs)]
      .flatMap((match) => match[1]!.split(','))
      .map((name) => name.replace(/\btype\b/, '').trim())
      .filter((name) => name !== '');
    expect(names.length).toBeGreaterThan(40);
    const text = await readFile(path.join(packageRoot, 'docs', 'api.md'), 'utf8');
    expect(names.filter((name) => !new RegExp(`[\`(]${name}\\b|new ${name}\\b`).test(text))).toEqual([]);
  });
});

describe('links between pages', async () => {
  const folders = await Promise.all(['', 'docs'].map((folder) => readdir(path.join(packageRoot, folder))));
  const all = [...folders[0]!, ...folders[1]!.map((name) => `docs/${name}`)].filter((name) => name.endsWith('.md'));
  it.each(all)('%s points to files that exist', async (page) => {
    const text = await readFile(path.join(packageRoot, page), 'utf8');
    for (const [, target] of text.matchAll(/\]\(([^)#:]+?)(?:#[^)]*)?\)/g)) {
      await expect(readFile(path.join(packageRoot, path.dirname(page), target!))).resolves.toBeDefined();
    }
  });
});
