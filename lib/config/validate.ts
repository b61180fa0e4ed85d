// Runs a configuration schema and reports every problem at once, one per line, each with its full key. Unknown keys are
// answered with the key that was probably meant. Relies on `fields.ts` for the wording of single values.

import type * as z from 'zod';
import { BurgeonError } from '../errors.ts';
import { familiarKey, normalizeName } from './familiar-names.ts';
import { hintOf, nearestName } from './nearest.ts';
import { requireReadable } from './require.ts';
import { keysAt, listKeys } from './schema-keys.ts';

/**
 * Checks `input` and fills in defaults. Keys with an empty value (null, undefined) count as left out.
 * @param source what is being checked, for example a file name; the first line of an error.
 * @param elsewhere full keys that the schema does not spell out and an unknown key may be meant for.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG with one line per problem.
 */
export function validate<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  source: string,
  elsewhere: readonly string[] = [],
): z.output<Schema> {
  requireReadable(source, input);
  const result = schema.safeParse(withoutEmpty(input) ?? {}, { reportInput: true });
  if (result.success) return result.data;
  const lines = result.error.issues.flatMap((issue) => describe(schema, issue, [], elsewhere));
  throw problemList(source, lines, result.error);
}

/** The error for a list of problems, and the list of such an error. */
export function problemList(source: string, problems: readonly string[], cause?: unknown): BurgeonError {
  const message = [`${source}:`, ...problems].join('\n  ');
  return new BurgeonError('ERR_BURGEON_CONFIG', message, cause === undefined ? undefined : { cause });
}

export function problemsOf({ message }: BurgeonError): string[] {
  const [head, ...problems] = message.split('\n  ');
  return problems.length > 0 ? problems : [head!];
}

/** `['est', 'schedule', 0, 'heads']` as `est.schedule[0].heads`. */
export function formatKey(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}

/** The lines for one issue, whose path starts at `base`. */
function describe(
  schema: z.ZodType,
  issue: z.core.$ZodIssue,
  base: readonly PropertyKey[],
  elsewhere: readonly string[],
): string[] {
  const path = [...base, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((name) => {
      const meant = meantKey(schema, path, name, elsewhere);
      return `${formatKey([...path, name])}: unknown key${hintOf(meant)}`;
    });
  }
  if (issue.code === 'invalid_union') {
    // The alternative that got furthest is the one meant. If all failed at once, the first one's message names them all.
    const isEntered = (issues: z.core.$ZodIssue[]) =>
      issues.some((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys');
    const branch = issue.errors.find(isEntered) ?? issue.errors[0]?.slice(0, 1) ?? [];
    return branch.flatMap((inner) => describe(schema, inner, path, elsewhere));
  }
  return [path.length === 0 ? issue.message : `${formatKey(path)}: ${issue.message}`];
}

/**
 * The full key that an unknown name in the section at `path` was probably meant to be: the same name spelt otherwise,
 * a known key of another section, another program's name for it, or a near miss in this section.
 */
function meantKey(
  schema: z.ZodType,
  path: readonly PropertyKey[],
  name: string,
  others: readonly string[],
): string | undefined {
  const isSameName = (key: string) => normalizeName(lastPart(key)) === normalizeName(name);
  const siblings = keysAt(schema, path);
  const sibling = siblings.find(isSameName);
  if (sibling !== undefined) return formatKey([...path, sibling]);

  const all = [...listKeys(schema).map(({ key }) => key), ...others];
  const elsewhere = all.filter(isSameName);
  if (elsewhere.length > 0 && elsewhere.length <= 3) return elsewhere.join(' or ');

  const familiar = familiarKey(name);
  // A model may be checked on its own, without the section around it; a training configuration may be a section.
  const familiarHere = all.find((key) => key === familiar || `model.${key}` === familiar || key === `base.${familiar}`);
  if (familiarHere !== undefined) return familiarHere;

  const nearest = nearestName(name, siblings);
  return nearest === undefined ? undefined : formatKey([...path, nearest]);
}

function lastPart(key: string): string {
  return key.slice(key.lastIndexOf('.') + 1);
}

/** Configurations have five; many more would not fit on the stack. */
const mostLevels = 100;

/** A copy without empty values in mappings; undefined for an empty value itself. Lists keep their length. */
function withoutEmpty(input: unknown, level = 0): unknown {
  if (input === null) return undefined;
  if (typeof input !== 'object' || input === undefined) return input;
  if (level > mostLevels) {
    throw new BurgeonError('ERR_BURGEON_CONFIG', `expected at most ${mostLevels} levels of sections and lists`);
  }
  if (Array.isArray(input)) return input.map((inner) => withoutEmpty(inner, level + 1));
  const entries = Object.entries(input).map(([key, inner]) => [key, withoutEmpty(inner, level + 1)] as const);
  return Object.fromEntries(entries.filter(([, inner]) => inner !== undefined));
}
