// A sweep as a file describes it: a training configuration that all runs share, and what differs between them. Checks
// all that can be said without the runs' own configurations; `expand.ts` makes the runs.

import * as z from 'zod';
import { applyOverrides, readConfigFile } from '../config/config-file.ts';
import { integer, isPath, path, section, show, value } from '../config/fields.ts';
import { isSection, partsOfKey, type Section } from '../config/merge.ts';
import { nearestHint } from '../config/nearest.ts';
import { listKeys } from '../config/schema-keys.ts';
import { problemList, validate } from '../config/validate.ts';
import { trainConfigKeys } from '../train/train-config.ts';
import { isRunName, type Plain, valueText } from './names.ts';

export interface Sweep {
  /** The file it was read from. */
  file: string;
  /** Directory that the run directories lie in. */
  output: string;
  /** Data of the training configuration that all runs share. */
  base: Section;
  /** What variants change, by name; empty where there are none. */
  variants: ReadonlyMap<string, Section>;
  /** Keys with the values each of them takes. */
  values: readonly (readonly [key: string, values: readonly Plain[]])[];
  seeds: readonly number[];
  /** Variants that others are measured by. */
  baselines: readonly string[];
  /** Runs at a time; undefined: as many as there are cores. */
  parallel: number | undefined;
}

const plain = value<Plain>(
  'a number, text, true or false (lists and sections: give them names, under variants)',
  (input) => ['number', 'string', 'boolean'].includes(typeof input),
  { type: ['number', 'string', 'boolean'] },
);

const mapping = (of: string) => ({
  error: ({ code, input }: { code: string; input?: unknown }) =>
    code === 'invalid_type' ? `expected ${of}, received ${show(input)}` : undefined,
});

/** The whole of it. */
export const sweepSchema = section({
  output: path('the path of a directory').describe('Directory for the runs: <output>/<variant>,<key>=<value>/seed<n>'),
  base: value<Section>(
    'a section with keys of a training configuration; { extends: train.yaml } takes those of a file',
    isSection,
    { type: 'object', 'x-type': 'TrainConfig' },
  ).describe('Training configuration that all runs share; its output does not count'),
  variants: z
    .record(
      z.string(),
      value<Section>('a section with keys of a training configuration', isSection, {
        ...{ type: 'object', 'x-type': 'TrainConfig' },
      }),
      mapping('a mapping of names to sections with keys of a training configuration'),
    )
    .exactOptional()
    .describe('Name: keys over base, sections merged key by key; a key with dots is set as by --set'),
  values: z
    .record(
      z.string(),
      z.array(plain, { error: ({ input }) => `expected a list of values, received ${show(input)}` }),
      mapping('a mapping of keys to lists of values'),
    )
    .exactOptional()
    .describe('Key: list of values; every combination of them, with every variant'),
  seeds: value<number[]>(
    'a list of different integers, such as [1, 2, 3]',
    (input) =>
      Array.isArray(input) &&
      input.length > 0 &&
      input.every((seed) => Number.isSafeInteger(seed)) &&
      new Set(input).size === input.length,
    { type: 'array', items: { type: 'integer' }, minItems: 1, uniqueItems: true },
  )
    .exactOptional()
    .describe("Seeds, each of which everything is run with. Default: base's only"),
  baseline: value<string | string[]>(
    "a variant's name or a list of them",
    (input) => typeof input === 'string' || (Array.isArray(input) && input.every((name) => typeof name === 'string')),
    { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] },
  )
    .exactOptional()
    .describe('Variants that others are measured by, as a rule dense ones'),
  parallel: integer(1, 1024).exactOptional().describe('Runs at a time. Default: one per core'),
}).transform((sweep, context) => {
  const report = (keys: PropertyKey[], message: string) =>
    context.issues.push({ code: 'custom', input: sweep, path: keys, message });
  checkVariants(sweep, report);
  checkValues(sweep, report);
  return sweep;
});

/** Every key of a sweep file, with its meaning. */
export const sweepKeys = listKeys(sweepSchema);

interface Given {
  variants?: Record<string, Section>;
  values?: Record<string, Plain[]>;
  baseline?: string | string[];
}
type Report = (keys: PropertyKey[], message: string) => void;

function checkVariants({ variants = {}, baseline = [] }: Given, report: Report): void {
  const names = Object.keys(variants);
  for (const [i, name] of names.entries()) {
    if (!isRunName(name)) {
      report(
        ['variants', name],
        'expected a name of letters, digits and . _ + - that begins with one of the first two',
      );
    }
    // Some file systems take both for one.
    const same = names.slice(0, i).find((earlier) => earlier.toLowerCase() === name.toLowerCase());
    if (same !== undefined) report(['variants', name], `expected another name, as there is ${same} already`);
    for (const key of Object.keys(variants[name]!)) {
      const owner = ownerOf(key);
      if (owner !== undefined) report(['variants', name, key], `expected no ${key} here: ${owner}`);
      else if (partsOfKey(key) === undefined) report(['variants', name, key], 'expected a key of the configuration');
    }
  }
  for (const name of [baseline].flat().filter((name) => !names.includes(name))) {
    const hint = nearestHint(name, names);
    report(['baseline'], `expected one of the variants (${names.join(', ') || 'none'}), received ${show(name)}${hint}`);
  }
}

function checkValues({ variants = {}, values = {} }: Given, report: Report): void {
  for (const [key, list] of Object.entries(values)) {
    const owner = ownerOf(key);
    if (owner !== undefined) report(['values', key], `expected no ${key} here: ${owner}`);
    const parts = partsOfKey(key);
    if (parts === undefined) {
      report(['values', key], 'expected a key of the configuration, for example optimizer.learningRate');
    }
    if (list.length === 0) report(['values', key], 'expected at least one value, received []');
    const texts = list.map((each) => valueText(each).toLowerCase());
    for (const [i, text] of texts.entries()) {
      if (texts.indexOf(text) < i)
        report(['values', key, i], `expected values that differ, received ${show(list[i])} twice`);
    }
    // Values are set last: what a variant says of the key would be lost.
    const setting = Object.keys(variants).filter((name) => setsKey(variants[name]!, parts ?? []));
    if (setting.length > 0)
      report(['values', key], `expected a key that no variant sets as well; set by ${setting.join(', ')}`);
  }
}

/** Who decides a key that neither variants nor values may set. */
function ownerOf(key: string): string | undefined {
  if (key === 'output') return "every run gets a directory in the sweep's output";
  return key === 'seed' ? 'seeds lists them' : undefined;
}

/** Whether a variant sets the key, in a section or with dots. */
function setsKey(variant: Section, [first, ...rest]: readonly string[], above = ''): boolean {
  if (first === undefined) return true;
  const key = above + first;
  if (!Object.hasOwn(variant, key)) return rest.length > 0 && setsKey(variant, rest, `${key}.`);
  const inner = variant[key];
  return isSection(inner) ? setsKey(inner, rest) : rest.length === 0;
}

/** Keys of a training configuration and its sections as they stand in a sweep file. */
const baseKeys = [
  ...new Set(
    trainConfigKeys.flatMap(({ key }) =>
      key.split('.').map((_, i, parts) => `base.${parts.slice(0, i + 1).join('.')}`),
    ),
  ),
];

/**
 * Reads a sweep file.
 * @param file YAML or JSON.
 * @param set overrides `a.b=value` of the base configuration; `output` is that of the sweep.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG if the file is missing or no YAML, or with one line per problem.
 */
export async function readSweep(file: string, set: readonly string[] = []): Promise<Sweep> {
  return parseSweep(await readConfigFile(file, 'sweep'), file, set);
}

/** The same for data that have been read. */
export function parseSweep(data: unknown, file: string, set: readonly string[] = []): Sweep {
  const source = `invalid sweep in ${file}`;
  const given = withNamedVariants(data);
  const checked = validate(sweepSchema, given, source, baseKeys);
  // Not what was checked: that has lost its empty values, which leave out what a base says.
  const { base: shared, variants = {} } = given as { base: Section; variants?: Record<string, Section> | null };
  const base = applyOverrides({ ...shared, output: checked.output }, set) as Section;
  const output = sweepOutput(base, source);
  if (checked.seeds !== undefined && base.seed !== shared.seed) {
    throw problemList(source, ['--set seed: expected no seed here: seeds lists them']);
  }
  const seed = base.seed === undefined || base.seed === null ? 1 : (base.seed as number);
  return {
    file,
    output,
    base,
    variants: new Map(Object.entries(variants ?? {})),
    values: Object.entries(checked.values ?? {}),
    seeds: checked.seeds ?? [seed],
    baselines: [checked.baseline ?? []].flat(),
    parallel: checked.parallel,
  };
}

function sweepOutput({ output }: Section, source: string): string {
  if (isPath(output)) return output;
  throw problemList(source, [`--set output: expected the path of a directory, received ${show(output)}`]);
}

/** A variant without keys is base as it is. */
function withNamedVariants(data: unknown): unknown {
  if (!isSection(data) || !isSection(data.variants)) return data;
  const variants = Object.entries(data.variants).map(([name, keys]) => [name, keys ?? {}] as const);
  return { ...data, variants: Object.fromEntries(variants) };
}
