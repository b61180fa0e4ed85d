// Reads a YAML or JSON configuration file and applies `key=value` overrides, as plain data: what the keys mean is
// `train-config.ts`. YAML 1.2 contains JSON, so one parser reads both.

import { readFile } from 'node:fs/promises';
import { parseDocument } from 'yaml';
import { BurgeonError } from '../errors.ts';

/**
 * The content of a configuration file.
 * @param path relative to the current working directory.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG if there is no such file, or with line and column if it is not valid YAML.
 */
export async function readConfigFile(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      fail(`config file ${path}: not found in ${process.cwd()}; expected a YAML or JSON file`, cause);
    }
    fail(`config file ${path}: cannot be read (${message}); expected a YAML or JSON file`, cause);
  }
  return parseYaml(text, path);
}

/**
 * Sets values in the data of a configuration file.
 * @param data what `readConfigFile` returned; not changed.
 * @param overrides strings `a.b=value` (list items: `a.0.b` or `a[0].b`); the value is YAML, later ones win.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG, quoting the override.
 */
export function applyOverrides(data: unknown, overrides: readonly string[]): unknown {
  let result = data;
  for (const override of overrides) {
    const { parts, text } = splitOverride(override);
    result = withValue(result, parts, parseYaml(text, `--set ${override}`), override);
  }
  return result;
}

/**
 * The keys that overrides set, for example `optimizer.learningRate` and `est.schedule.0.heads`.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG, quoting the override.
 */
export function overriddenKeys(overrides: readonly string[]): string[] {
  return overrides.map((override) => splitOverride(override).parts.join('.'));
}

function splitOverride(override: string): { parts: string[]; text: string } {
  const equals = override.indexOf('=');
  const parts = override
    .slice(0, Math.max(0, equals))
    .trim()
    .replace(/\[(\d+)\]/g, '.$1')
    .split('.');
  // Keys of a plain kind only: others are typing errors, and `__proto__` is worse.
  if (!parts.every((part) => /^([A-Za-z]\w*|\d+)$/.test(part))) {
    fail(`--set ${override}: expected key=value, for example optimizer.learningRate=1e-3`);
  }
  return { parts, text: override.slice(equals + 1) };
}

/** A copy of `node` with the value at `parts` replaced. */
function withValue(node: unknown, parts: readonly string[], value: unknown, override: string): unknown {
  const [part, ...rest] = parts;
  if (part === undefined) return value;
  if (Array.isArray(node)) {
    const index = Number(part);
    if (!(index < node.length)) {
      fail(`--set ${override}: expected an index below ${node.length} of the list, received ${part}`);
    }
    return node.map((item, i) => (i === index ? withValue(item, rest, value, override) : item));
  }
  // A model given by name becomes a section that starts from that preset.
  const section = typeof node === 'string' && override.startsWith('model.') ? { preset: node } : (node ?? {});
  if (typeof section !== 'object') {
    fail(`--set ${override}: "${part}" is below a plain value (${JSON.stringify(section)}), not a section`);
  }
  const inner = Object.hasOwn(section, part) ? (section as Record<string, unknown>)[part] : undefined;
  return { ...section, [part]: withValue(inner, rest, value, override) };
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
