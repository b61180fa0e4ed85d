// A report: the page with runs in it, one file that needs nothing else.

import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { BurgeonError } from '../errors.ts';
import { isFile } from '../files/path-kinds.ts';
import { replaceFile } from '../files/replace-file.ts';
import { comparableLosses } from './comparable-losses.ts';
import { compareRuns } from './compare-runs.ts';
import type { ReportData } from './page-data.ts';
import { readRun } from './read-run.ts';
import type { Columns, RunData } from './run-data.ts';
import { groupRuns } from './run-groups.ts';

/** The page as built; from lib/ and dist/ alike. */
const pageFile = new URL('../../dist/report/page.html', import.meta.url);

/** The name of the report that `train` writes into its run directory. */
export const reportFileName = 'report.html';

/**
 * Writes a report of one or several runs.
 * @param directories of runs; the first is what the others are compared with.
 * @param options.mustCompare whether it is an error when they cannot be compared.
 * @param options.onNote is told what of the runs cannot be read, and is missing in the report.
 * @throws {BurgeonError} ERR_BURGEON_DATA for what is no run, or cannot be compared, where `file` is something else than a page, and
 *   when it cannot be written.
 */
export async function writeReport(
  directories: readonly string[],
  file: string,
  options: { mustCompare?: boolean; onNote?: ((note: string) => void) | undefined } = {},
): Promise<void> {
  await requirePage(file);
  await replaceFile(file, await pageWith(await readReport(directories, options)), 'the report');
}

/** What a report of these runs has in it; options and errors as of `writeReport`. */
export async function readReport(
  directories: readonly string[],
  options: { mustCompare?: boolean; onNote?: ((note: string) => void) | undefined } = {},
): Promise<ReportData> {
  const runs = withDistinctNames(await Promise.all(directories.map((directory) => readRun(directory))));
  for (const note of runs.flatMap(({ damage }) => damage)) options.onNote?.(note);
  const compared = comparisonOf(runs, options.mustCompare ?? false);
  return {
    kind: 'report',
    groups: groupRuns(runs).map((group) => group.runs.map((run) => runs.indexOf(run))),
    ...compared,
    runs: compared.runs.map(shortened),
    written: new Date().toISOString(),
  };
}

/**
 * A slip of the keyboard is not to cost the metrics of a run: only pages are replaced.
 * @throws {BurgeonError} ERR_BURGEON_DATA where there is another file.
 */
export async function requirePage(file: string): Promise<void> {
  if (!(await isFile(file))) return;
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(15), 0, 15, 0);
    if (bytesRead === 0 || /^<(!doctype html|html)/i.test(buffer.toString('latin1', 0, bytesRead))) return;
  } finally {
    await handle.close();
  }
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${file}: expected no such file, or a report to replace, found another file; name another output, or remove it`,
  );
}

/** The runs, losses in the unit of their comparison. */
function comparisonOf(runs: RunData[], mustCompare: boolean): Pick<ReportData, 'runs' | 'comparison' | 'notCompared'> {
  if (runs.length === 1) return { runs, comparison: null, notCompared: null };
  try {
    return { comparison: compareRuns(runs), runs: comparableLosses(runs).runs, notCompared: null };
  } catch (error) {
    if (mustCompare || !(error instanceof BurgeonError)) throw error;
    return { runs, comparison: null, notCompared: error.message };
  }
}

/** A page with its data. @param data plain, as that page takes it. @param file the page as built, where it is another. */
export async function pageWith(data: object, file = pageFile): Promise<string> {
  const page = await readFile(file, 'utf8').catch((cause) => {
    throw new BurgeonError('ERR_BURGEON_BACKEND', `${file.pathname} is missing; build it with: npm run build:ts`, {
      cause,
    });
  });
  // No text in it can end the element.
  const json = JSON.stringify(data).replaceAll('<', '\\u003c');
  return page.replace('id="data">null<', () => `id="data">${json}<`);
}

/** Runs of the same name by as much of their paths as tells them apart. */
export function withDistinctNames(runs: RunData[]): RunData[] {
  const names = new Set(runs.map(({ name }) => name));
  if (names.size === runs.length) return runs;
  // Of their paths what not all of them begin with.
  const paths = runs.map(({ directory }) => path.normalize(directory).split(path.sep));
  const shared = paths[0]!.findIndex((part, i) => paths.some((other) => other[i] !== part || i === other.length - 1));
  return runs.map((run, i) => ({ ...run, name: paths[i]!.slice(Math.max(0, shared)).join('/') }));
}

/** Seven digits of the numbers that are drawn, more than a screen shows. */
function shortened(run: RunData): RunData {
  const short = <Name extends string>(columns: Columns<Name>): Columns<Name> =>
    Object.fromEntries(
      Object.entries<(number | null)[]>(columns).map(([name, values]) => [
        name,
        values.map((value) => (value === null ? null : Number(value.toPrecision(7)))),
      ]),
    ) as Columns<Name>;
  return { ...run, steps: short(run.steps), validation: short(run.validation) };
}
