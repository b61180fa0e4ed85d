// A fresh directory for every test, removed afterwards, and small helpers for files in it. Token sources opened here
// are closed when the test ends.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { TokenSource } from '../../lib/data/token-source.ts';

export interface TempDirectory {
  path(...names: string[]): string;
  /** Writes a file, with its directories; returns its path. */
  write(name: string, content: string | Uint8Array): Promise<string>;
  /** Writes raw uint16 tokens. */
  writeTokens(name: string, tokens: ArrayLike<number>): Promise<string>;
  /** Opens new raw token files with these tokens as one source. */
  openTokens(...files: ArrayLike<number>[]): Promise<TokenSource>;
}

export function useTempDirectory(): TempDirectory {
  let root = '';
  let fileCount = 0;
  let opened: TokenSource[] = [];
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'burgeon-data-'));
  });
  afterEach(async () => {
    // A test may have closed its source itself.
    for (const source of opened) await source.close().catch(() => {});
    opened = [];
    await rm(root, { recursive: true, force: true });
  });

  const temp: TempDirectory = {
    path: (...names) => join(root, ...names),
    async write(name, content) {
      const path = join(root, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
      return path;
    },
    writeTokens(name, tokens) {
      const bytes = Buffer.alloc(2 * tokens.length);
      Array.from(tokens).forEach((token, i) => {
        bytes.writeUInt16LE(token, 2 * i);
      });
      return temp.write(name, bytes);
    },
    async openTokens(...files) {
      const paths = files.map((tokens) => temp.writeTokens(`source-${fileCount++}.bin`, tokens));
      const source = await TokenSource.open(await Promise.all(paths));
      opened.push(source);
      return source;
    },
  };
  return temp;
}

/** 0, 1, ..., n - 1, from `first`. */
export function range(n: number, first = 0): number[] {
  return Array.from({ length: n }, (_, i) => first + i);
}
