// Reads a YAML or JSON configuration file, what it extends, and `key=value` overrides, as plain data: what the keys mean
// is `train-config.ts`. YAML 1.2 contains JSON, so one parser reads both.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseDocument } from 'yaml';
import { BurgeonError } from '../errors.ts';
import { isPath, show } from './fields.ts';
import { findConfig, packagedHint, type Shelf } from './find-config.ts';
import { isSection, mergeSections, partsOfKey, withKey } from './merge.ts';

/**
 * The content of a configuration file. A section with `extends: other.yaml`, as a rule the whole file, lies over the
 * content of that file, as `mergeSections` says; the path is relative to the file that names it. What comes back has
 * no `extends`.
 * @param file relative to the current working directory, with or without `.yaml`; or the name of a packaged configuration.
 * @param shelf which of those the name may be of.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG if there is no such file, with line and column if it is not valid YAML, or
 *   where files extend each other in a circle.
 */
export async function readConfigFile(file: string, shelf: Shelf = 'training'): Promise<unknown> {
  return readExtended(await findConfig(file, { shelf }), [], shelf);
}

/** @param from the files that led here, each extending the next. */
async function readExtended(file: string, from: readonly string[], shelf: Shelf = 'training'): Promise<unknown> {
  const files = [...from, file];
  if (from.some((earlier) => path.resolve(earlier) === path.resolve(file))) {
    fail(`config file ${from[0]}: extends itself (${files.join(' -> ')}); expected an end to the chain`);
  }
  return resolveExtends(parseYaml(await readText(file, from.at(-1), shelf), file), files, file);
}

/** `data` of the last of `files` with every `extends` in it replaced by what it names. */
async function resolveExtends(data: unknown, files: readonly string[], source: string): Promise<unknown> {
  if (Array.isArray(data)) {
    return Promise.all(data.map((item, i) => resolveExtends(item, files, `${source}: [${i}]`)));
  }
  if (!isSection(data)) return data;
  const { extends: base, ...own } = data;
  const entries = await Promise.all(
    Object.entries(own).map(async ([key, value]) => [key, await resolveExtends(value, files, `${source}: ${key}`)]),
  );
  const section = Object.fromEntries(entries);
  if (base === undefined || base === null) return section;
  if (!isPath(base)) {
    fail(`${source}: extends: expected the path of a file, received ${show(base)}`);
  }
  const file = await findConfig(base, { beside: path.dirname(files.at(-1)!) });
  const content = (await readExtended(file, files)) ?? {};
  if (!isSection(content)) {
    fail(`config file ${file}: expected a section (a mapping of keys) to extend, found ${show(content)}`);
  }
  return mergeSections(content, section);
}

async function readText(file: string, from: string | undefined, shelf: Shelf): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const named = from === undefined ? '' : `, which ${from} extends`;
    if (code === 'ENOENT') {
      const expected = `expected a YAML or JSON file, or ${packagedHint(file, shelf)}`;
      fail(`config file ${file}${named}: not found in ${process.cwd()}; ${expected}`, cause);
    }
    if (code === 'EISDIR') fail(`config file ${file}${named}: expected a YAML or JSON file, found a directory`, cause);
    fail(`config file ${file}${named}: cannot be read (${message}); expected a YAML or JSON file`, cause);
  }
}

/**
 * Sets values in the data of a configuration file.
 * @param data what `readConfigFile` returned; not changed.
 * @param overrides strings `a.b=value` (list items: `a.0.b` or `a[0].b`); the value is YAML, later ones win.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG, quoting the override.
 */
export function applyOverrides(data: unknown, overrides: readonly string[]): unknown {
  return overrides.reduce((result, override) => {
    const { parts, text, source } = splitOverride(override);
    return withKey(result, parts, parseYaml(text, source), source);
  }, data);
}

/**
 * The keys that overrides set, for example `optimizer.learningRate` and `est.schedule.0.heads`.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG, quoting the override.
 */
export function overriddenKeys(overrides: readonly string[]): string[] {
  return overrides.map((override) => splitOverride(override).parts.join('.'));
}

function splitOverride(override: string): { parts: string[]; text: string; source: string } {
  const equals = override.indexOf('=');
  const source = `--set ${override}`;
  const parts = equals < 0 ? undefined : partsOfKey(override.slice(0, equals));
  if (parts === undefined) fail(`${source}: expected key=value, for example optimizer.learningRate=1e-3`);
  return { parts, text: override.slice(equals + 1), source };
}

function parseYaml(text: string, source: string): unknown {
  const document = parseDocument(text, { prettyErrors: true });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) {
    const [start] = problem.linePos ?? [];
    const position = start === undefined ? '' : `:${start.line}:${start.col}`;
    fail(`${source}${position}: not valid YAML: ${problem.message.trimEnd()}`, problem);
  }
  try {
    return document.toJS();
  } catch (cause) {
    // Raised here rather than while parsing: unknown or too many aliases.
    fail(`${source}: not valid YAML: ${(cause as Error).message}`, cause);
  }
}

function fail(message: string, cause?: unknown): never {
  throw new BurgeonError('ERR_BURGEON_CONFIG', message, cause === undefined ? undefined : { cause });
}
