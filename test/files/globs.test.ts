import { mkdir, symlink } from 'node:fs/promises';
import { relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expandBraces, expandFiles, globToRegExp } from '../../lib/files/globs.ts';
import { findInputFiles, findPassedOver } from '../../lib/prepare/input-files.ts';
import { useTempDirectory } from '../data/temp-directory.ts';

describe('globToRegExp', () => {
  it.each([
    ['*.txt', 'a.txt', true],
    ['*.txt', 'a.txt.gz', false],
    ['*.txt', 'd/a.txt', false],
    ['*.txt', '.txt', false],
    ['*.txt', '.a.txt', false],
    ['.*.txt', '.a.txt', true],
    ['a?.txt', 'ab.txt', true],
    ['a?.txt', 'a.txt', false],
    ['a?.txt', 'a🤯.txt', true],
    ['a*c', 'abbc', true],
    ['a.c', 'abc', false],
    ['a+(b)[c]$', 'a+(b)[c]$', true],
    ['**/*.md', 'a.md', true],
    ['**/*.md', 'x/y/a.md', true],
    ['**/*.md', 'x/.y/a.md', false],
    ['x/**', 'x/y/z', true],
    ['x/**', 'x/.y', false],
    ['x/**/z', 'x/z', true],
    ['x/**/z', 'x/a/b/z', true],
    ['x/**/z', 'xz', false],
    ['x/*/z', 'x/a/b/z', false],
  ])('%s on %s: %s', (pattern, path, matches) => {
    expect(globToRegExp(pattern).test(path)).toBe(matches);
  });
});

describe('expandBraces', () => {
  it.each([
    ['a', ['a']],
    ['a{b,c}d', ['abd', 'acd']],
    ['{a,b}{c,d}', ['ac', 'ad', 'bc', 'bd']],
    ['a{b,c{d,e}}f', ['abf', 'acdf', 'acef']],
    ['a{b}', ['ab']],
    ['a{,b}', ['a', 'ab']],
  ])('%s', (pattern, alternatives) => {
    expect(expandBraces(pattern)).toEqual(alternatives);
  });

  it('reports a brace that is not closed', () => {
    expect(() => expandBraces('a{b')).toThrow(/a\{b: expected a "}"/);
  });
});

describe('files on disk', () => {
  const temp = useTempDirectory();
  const names = async (pattern: string) =>
    (await expandFiles(temp.path(pattern))).map((path) => relative(temp.path(), path));
  const inputNames = async (...inputs: string[]) =>
    (await findInputFiles(inputs.map((input) => temp.path(input)))).map(({ path }) => relative(temp.path(), path));

  async function tree(): Promise<void> {
    for (const name of ['b.txt', 'a.txt', 'a[1].txt', 'x/c.md', 'x/y/d.d.ts', 'x/y/e.JSONL', '.git/f.txt', 'x/.g.md']) {
      await temp.write(name, name);
    }
  }

  it('tells what a directory has beside the texts, unless it was named as well', async () => {
    await tree();
    const others = async (...inputs: string[]) =>
      (await findPassedOver(inputs.map((input) => temp.path(input)))).map((path) => relative(temp.path(), path));
    expect(await others('x')).toEqual(['x/y/d.d.ts']);
    expect(await others('x', 'x/y')).toEqual(['x/y/d.d.ts']);
    expect(await others('x', 'x/y/*.ts')).toEqual([]);
    expect(await others('a.txt')).toEqual([]);
  });

  it('matches patterns, sorted', async () => {
    await tree();
    expect(await names('*.txt')).toEqual(['a.txt', 'a[1].txt', 'b.txt']);
    expect(await names('**/*.{md,d.ts}')).toEqual(['x/c.md', 'x/y/d.d.ts']);
    expect(await names('{b,a}.txt')).toEqual(['a.txt', 'b.txt']);
    expect(await names('x/**')).toEqual(['x/c.md', 'x/y/d.d.ts', 'x/y/e.JSONL']);
    expect(await names('.git/*')).toEqual(['.git/f.txt']);
    expect(await names('x/../*/c.md')).toEqual(['x/c.md']);
  });

  it('takes an existing path literally', async () => {
    await tree();
    await temp.write('{odd}*.txt', '');
    expect(await names('{odd}*.txt')).toEqual(['{odd}*.txt']);
    expect(await names('x/y/d.d.ts')).toEqual(['x/y/d.d.ts']);
  });

  it('does not follow links to directories, but takes links to files', async () => {
    await tree();
    await symlink(temp.path(), temp.path('x/loop'));
    await symlink(temp.path('a.txt'), temp.path('x/link.md'));
    expect(await names('**/*.md')).toEqual(['x/c.md', 'x/link.md']);
  });

  it.each([
    ['missing.txt', 'no such file'],
    ['missing/*.txt', 'no file matches'],
    ['*.pdf', 'no file matches'],
    ['x', 'found a directory'],
  ])('reports %s: %s', async (pattern, message) => {
    await tree();
    await expect(expandFiles(temp.path(pattern))).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringContaining(message) }),
    );
  });

  it('finds text files below a directory, and each file once', async () => {
    await tree();
    expect(await inputNames('.')).toEqual(['a.txt', 'a[1].txt', 'b.txt', 'x/c.md', 'x/y/e.JSONL']);
    expect(await inputNames('b.txt', 'x', '*.txt', 'x/y/d.d.ts')).toEqual([
      ...['a.txt', 'a[1].txt', 'b.txt', 'x/c.md', 'x/y/d.d.ts', 'x/y/e.JSONL'],
    ]);
  });

  it('reports inputs without files', async () => {
    await mkdir(temp.path('empty'));
    await expect(inputNames('empty')).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringContaining('.txt, .md, .jsonl') }),
    );
    await expect(findInputFiles([])).rejects.toThrow(expect.objectContaining({ code: 'ERR_BURGEON_CONFIG' }));
  });
});
