// burgeon compare: was it worth it against dense training?

import { Command } from 'commander';
import { type Comparison, compareRuns } from '../report/compare-runs.ts';
import {
  comparedGroups,
  comparisonHead,
  comparisonRows,
  configDifferenceText,
  groupName,
  headline,
  lossNote,
} from '../report/comparison-text.ts';
import { curveRows, gainNote, gainRows, gainSentences, gainTitle } from '../report/gain-text.ts';
import { readRun } from '../report/read-run.ts';
import { withDistinctNames, writeReport } from '../report/write-report.ts';
import { onStdout } from './colour.ts';
import { shortened, table, wrapped } from './format.ts';
import { sayNote } from './say-note.ts';

interface CompareFlags {
  json?: boolean;
  output?: string;
}

/** Longest name in a table: with it no table has more than 99 columns. */
const nameWidth = 20;

export function compareCommand(): Command {
  return new Command('compare')
    .summary('compute gain, and held-out loss at equal steps, FLOPs and seconds')
    .description(
      'Compares runs with the first: who has the lower held-out loss at equal steps, equal executed FLOPs and equal ' +
        'seconds, and what it took to reach the final loss of the first. Runs that differ only by seed are one group, told ' +
        'by mean and standard deviation.\n\n' +
        'With dense runs of two lengths or more, which differ in steps and seed only, it tells the compute gain of all other ' +
        'runs: the FLOPs and seconds that dense training needs for the loss a run ends with, over those that the run took.',
    )
    .argument('<baseline>', 'run directory, as a rule of a dense run; or a metrics.jsonl kept apart from its run')
    .argument('[runs...]', 'run directories to compare with it, further seeds of the baseline among them')
    .option('-o, --output <file>', 'also write a report with the curves')
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon compare runs/seed2 runs/tuned\n  burgeon compare runs/seed2 runs/tuned -o comparison.html',
    )
    .action(async (baseline: string, others: string[], flags: CompareFlags, command: Command) => {
      if (others.length === 0) command.error(`error: ${baseline} is one run; expected others to compare with it`);
      const directories = [baseline, ...others];
      const runs = await Promise.all(directories.map((directory) => readRun(directory)));
      for (const note of runs.flatMap(({ damage }) => damage)) sayNote(note);
      const comparison = compareRuns(withDistinctNames(runs));
      if (flags.json) console.log(JSON.stringify(comparison, null, 2));
      else console.log(describe(comparison));
      if (flags.output === undefined) return;
      await writeReport(directories, flags.output, { mustCompare: true });
      if (!flags.json) console.log(`\nwrote ${flags.output}`);
    });
}

function describe(comparison: Comparison): string {
  const { baseline, gain, notes } = comparison;
  return [
    ...describeGain(comparison),
    ...comparedGroups(comparison).flatMap((other) => [
      onStdout.title(wrapped(headline(comparison, other))),
      table([
        comparisonHead(baseline, other).map((head) => shortened(head, nameWidth)),
        ...comparisonRows(other).map(withColour),
      ]),
    ]),
    describeConfigurations(comparison),
    ...(gain ? [wrapped(gainNote(gain))] : []),
    wrapped(lossNote(comparison)),
    ...notes.map((note) => wrapped(onStdout.note(note))),
  ].join('\n\n');
}

/** A difference against the baseline stands out: lower is better. */
function withColour(row: string[]): string[] {
  const style = (cell: string) =>
    / lower$/.test(cell) ? onStdout.good(cell) : / higher$/.test(cell) ? onStdout.bad(cell) : cell;
  return row.map(style);
}

function describeGain(comparison: Comparison): string[] {
  const { gain } = comparison;
  const sentences = gainSentences(comparison).map((sentence) => wrapped(sentence, '  '));
  if (gain === null) return sentences;
  const short = ([name, ...cells]: string[]) => [shortened(name!, nameWidth + 12), ...cells];
  const gains = gain.groups.length > 0 ? [[''], ...gainRows(gain)] : [];
  const tables = table([...curveRows(gain), ...gains].map(short));
  return [gainTitle, tables, ...(sentences.length > 0 ? [sentences.join('\n')] : [])];
}

function describeConfigurations({ baseline, others }: Comparison): string {
  const lines = others.flatMap((other) => [
    `  ${groupName(other)}`,
    ...(other.differences.length > 0 ? other.differences.map(configDifferenceText) : ['not known']).map((line) =>
      wrapped(line, '    '),
    ),
  ]);
  return [`configurations, against ${groupName(baseline)}:`, ...lines].join('\n');
}
