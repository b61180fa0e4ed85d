// File patterns: *, ?, ** and {a,b}, matched against paths with forward slashes, and the files on disk that a pattern
// names. Small on purpose: Node 20 has no glob of its own, and shards and corpora need no more than this.

import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { posix, sep } from 'node:path';
import { BurgeonError } from '../errors.ts';
import { isFile } from './path-kinds.ts';

/**
 * The files that a path or pattern names, sorted by code unit, each once. A path that exists is taken literally,
 * whatever characters it has. Hidden names (".git") match only when the pattern spells the dot.
 * @throws {BurgeonError} ERR_BURGEON_DATA when nothing matches, the path is a directory, or a directory cannot be read.
 */
export async function expandFiles(pattern: string): Promise<string[]> {
  const info = await stat(pattern).catch(() => undefined);
  if (info?.isFile()) return [pattern];
  if (info) {
    throw new BurgeonError('ERR_BURGEON_DATA', `${pattern}: expected a file or a file pattern, found a directory`);
  }
  if (!hasWildcard(pattern)) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${pattern}: no such file; check the spelling and the working directory`,
    );
  }
  const slashed = sep === '\\' ? pattern.replaceAll('\\', '/') : pattern;
  const files = new Set<string>();
  for (const alternative of expandBraces(slashed).map(posix.normalize)) {
    const regExp = globToRegExp(alternative);
    const hidden = /(^|\/)\.[^./]/.test(alternative);
    for await (const file of walkFiles(fixedDirectory(alternative), { hidden })) {
      if (regExp.test(file)) files.add(file);
    }
  }
  if (files.size === 0) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${pattern}: no file matches this pattern; check it and the working directory (* stays within one directory, ` +
        '** crosses directories)',
    );
  }
  return [...files].sort();
}

/**
 * All files below a directory, as paths that begin with `directory`; none when it does not exist. Links to directories
 * are not followed, they may lead back.
 * @param directory with forward slashes; '' is the working directory.
 * @throws {BurgeonError} ERR_BURGEON_DATA when a directory cannot be read.
 */
export async function* walkFiles(directory: string, options: { hidden: boolean }): AsyncGenerator<string> {
  for (const entry of await readDirectory(directory === '' ? '.' : directory)) {
    if (entry.name.startsWith('.') && !options.hidden) continue;
    const path = directory === '' ? entry.name : `${directory.replace(/\/$/, '')}/${entry.name}`;
    if (entry.isDirectory()) yield* walkFiles(path, options);
    else if (entry.isFile() || (entry.isSymbolicLink() && (await isFile(path)))) yield path;
  }
}

async function readDirectory(directory: string): Promise<Dirent[]> {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new BurgeonError('ERR_BURGEON_DATA', `${directory}: cannot be read (${message})`, { cause });
  }
}

/** Patterns without braces whose matches together are those of `pattern`: "a{b,c{d,e}}" is ab, acd, ace. */
export function expandBraces(pattern: string): string[] {
  const open = pattern.indexOf('{');
  if (open < 0) return [pattern];
  let depth = 0;
  let start = open + 1;
  const alternatives: string[] = [];
  for (let i = open; i < pattern.length; i++) {
    const character = pattern[i];
    if (character === '{') depth++;
    if (character === '}') depth--;
    if ((character === ',' && depth === 1) || (character === '}' && depth === 0)) {
      alternatives.push(pattern.slice(start, i));
      start = i + 1;
    }
    if (depth === 0) {
      const rest = pattern.slice(i + 1);
      return alternatives.flatMap((alternative) => expandBraces(pattern.slice(0, open) + alternative + rest));
    }
  }
  throw new BurgeonError('ERR_BURGEON_DATA', `${pattern}: expected a "}" for every "{" in this file pattern`);
}

/**
 * Matches whole paths with forward slashes. `**` as a whole segment stands for any number of directories, even none.
 */
export function globToRegExp(pattern: string): RegExp {
  const anyDirectories = '(?:[^./][^/]*/)*';
  const segments = pattern.split('/');
  const sources = segments.map((segment, i) => {
    const isLast = i === segments.length - 1;
    if (segment === '**') return isLast ? `${anyDirectories}[^./][^/]*` : anyDirectories;
    return segmentSource(segment) + (isLast ? '' : '/');
  });
  return new RegExp(`^${sources.join('')}$`, 'su');
}

function segmentSource(segment: string): string {
  // A wildcard in front does not stand for the dot of a hidden name.
  const visible = /^[*?]/.test(segment) ? '(?!\\.)' : '';
  const source = segment.replace(/\*+|\?|[\\^$.|+()[\]{}]/g, (special) => {
    if (special.startsWith('*')) return '[^/]*';
    return special === '?' ? '[^/]' : `\\${special}`;
  });
  return visible + source;
}

/** The leading directories of a pattern that hold no wildcard: where to start looking. */
function fixedDirectory(pattern: string): string {
  const segments = pattern.split('/').slice(0, -1);
  const firstWild = segments.findIndex(hasWildcard);
  const fixed = (firstWild < 0 ? segments : segments.slice(0, firstWild)).join('/');
  return fixed === '' && pattern.startsWith('/') ? '/' : fixed;
}

function hasWildcard(pattern: string): boolean {
  return /[*?{}]/.test(pattern);
}
