// burgeon compare: was it worth it against dense training?

import { Command } from 'commander';
import { type Comparison, compareRuns } from '../report/compare-runs.ts';
import { comparisonHead, comparisonRows, groupName, headline } from '../report/comparison-text.ts';
import { readRun } from '../report/read-run.ts';
import { withDistinctNames, writeReport } from '../report/write-report.ts';
import { table } from './format.ts';

interface CompareFlags {
  json?: boolean;
  output?: string;
}

export function compareCommand(): Command {
  return new Command('compare')
    .summary('held-out loss of runs at equal steps, FLOPs and seconds')
    .description(
      'Compares runs with the first: who has the lower held-out loss at equal steps, equal executed FLOPs and equal ' +
        'seconds, and what it took to reach the final loss of the first. Runs that differ only by seed are one group, told ' +
        'by mean and standard deviation.',
    )
    .argument('<baseline>', 'run directory, as a rule of a dense run')
    .argument('<runs...>', 'run directories to compare with it, further seeds of the baseline among them')
    .option('-o, --output <file>', 'also write a report with the curves')
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon compare runs/seed2 runs/tuned\n  burgeon compare runs/seed2 runs/tuned -o comparison.html',
    )
    .action(async (baseline: string, others: string[], flags: CompareFlags) => {
      const directories = [baseline, ...others];
      const runs = await Promise.all(directories.map((directory) => readRun(directory)));
      const comparison = compareRuns(withDistinctNames(runs));
      if (flags.output !== undefined) await writeReport(directories, flags.output, { mustCompare: true });
      if (flags.json) console.log(JSON.stringify(comparison, null, 2));
      else console.log(describe(comparison));
      if (flags.output !== undefined && !flags.json) console.log(`\nwrote ${flags.output}`);
    });
}

function describe(comparison: Comparison): string {
  const base = groupName(comparison.baseline);
  const blocks = comparison.others.map((other) =>
    [
      headline(comparison, other),
      '',
      table([[comparisonHead[0]!, comparisonHead[1]!, base, groupName(other), 'difference'], ...comparisonRows(other)]),
    ].join('\n'),
  );
  return [...blocks, 'held-out loss, nats per token, linear between evaluations; FLOPs with the output head'].join(
    '\n\n',
  );
}
