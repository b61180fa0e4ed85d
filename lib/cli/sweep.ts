// burgeon sweep: a training configuration in variants, over values and seeds; what each came to, ranked.

import path from 'node:path';
import { Command } from 'commander';
import { nearestHint } from '../config/nearest.ts';
import { problemList } from '../config/validate.ts';
import { BurgeonError } from '../errors.ts';
import { flopsUpTo } from '../est/plan.ts';
import { explainWriting } from '../files/explain-writing.ts';
import type { HeldLock } from '../files/held-lock.ts';
import { claimLock } from '../files/lock-file.ts';
import { makeDirectory } from '../files/make-directory.ts';
import { chooseDevice } from '../model/device.ts';
import { chooseThreads } from '../model/native-options.ts';
import { reportFileName } from '../report/write-report.ts';
import { expandRuns } from '../sweep/expand.ts';
import { doneFlops, expectedTime } from '../sweep/expected-time.ts';
import { type PlannedRun, planRuns } from '../sweep/plan-runs.ts';
import { remainingMs } from '../sweep/progress.ts';
import { type Outcome, readStatus } from '../sweep/run-status.ts';
import { SweepRunner } from '../sweep/run-sweep.ts';
import { readSweep, type Sweep, sweepKeys } from '../sweep/sweep-file.ts';
import { requireSweepPlace, sweepLockName } from '../sweep/sweep-place.ts';
import { type SweepRecord, sweepRecord, writeSweepRecord } from '../sweep/sweep-record.ts';
import { counted, duration } from './format.ts';
import { interruptSignal } from './interrupt.ts';
import { integerBetween, repeatable, setOption } from './options.ts';
import { ProgressLine } from './progress.ts';
import { problemOfReport } from './report-problem.ts';
import { type Lanes, lanesText, outcomeText, planText, rankingText } from './sweep-text.ts';

interface SweepFlags {
  set: string[];
  only: string[];
  seed: string[];
  parallel?: number;
  overwrite?: boolean;
  dryRun?: boolean;
  table?: boolean;
  output?: string;
  json?: boolean;
}

export function sweepCommand(): Command {
  return new Command('sweep')
    .summary('train variants of a configuration over values and seeds, and rank them')
    .description(
      'Trains every variant of a configuration with every value and every seed that a file lists, several at a time, and ' +
        'ranks them by held-out loss. Every run is an ordinary run in a directory of its own. The same command goes on after ' +
        'Ctrl-C or a kill, and ends with the same table.',
    )
    .argument('<file>', 'sweep, YAML or JSON, or the name of one that comes with the package (`burgeon presets`)')
    .addOption(setOption())
    .addOption(repeatable('--only <variant>', 'only the runs of this variant; repeatable'))
    .addOption(repeatable('--seed <n>', 'only the runs with this seed; repeatable'))
    .option(
      '--parallel <n>',
      'runs at a time (default: parallel of the file, or one per core)',
      integerBetween(1, 1024),
    )
    .option('--overwrite', 'replace runs of another configuration in the same directories')
    .option('--dry-run', 'say what would be run, its FLOPs and the expected time')
    .option('--table', 'show the table of the runs that are complete')
    .option('-o, --output <file>', `report with the curves of all runs (default: ${reportFileName} in the output)`)
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon sweep learning-rate --dry-run\n  burgeon sweep learning-rate\n  burgeon sweep learning-rate --table -o learning-rate.html',
    )
    .addHelpText(
      'after',
      () =>
        `\nKeys of the file:\n${sweepKeys.map(({ key, description }) => `  ${key}\n      ${description}`).join('\n')}`,
    )
    .action(async (file: string, flags: SweepFlags, command: Command) => {
      if (flags.dryRun && flags.table) command.error('error: --dry-run and --table exclude each other');
      const sweep = await readSweep(file, flags.set);
      requireKnown('--only', flags.only, [...sweep.variants.keys()], `a variant of ${file}`, nearestHint);
      requireKnown('--seed', flags.seed, sweep.seeds.map(String), `a seed of ${file}`);
      if (!flags.table) await requireSweepPlace(sweep.output);
      const runs = await planRuns(expandRuns(sweep), file);
      const outcomes: Outcome[] = [];
      for (const run of runs) outcomes.push({ run, status: await readStatus(run) });
      const chosen = outcomes.filter(
        ({ run }) => isWanted(flags.only, run.variant ?? '') && isWanted(flags.seed, String(run.seed)),
      );
      const lanes = lanesOf(runs, flags.parallel ?? sweep.parallel);
      if (flags.table) return showTable(sweep, chosen, flags.output, flags);
      if (!flags.overwrite) refuseOthers(chosen);
      if (flags.dryRun) return showPlan(sweep, chosen, lanes, flags);
      await runSweep({ sweep, outcomes, chosen, lanes }, flags);
    });
}

/** No list wants all. */
const isWanted = (wanted: readonly string[], value: string) => wanted.length === 0 || wanted.includes(value);

function requireKnown(
  option: string,
  wanted: readonly string[],
  known: readonly string[],
  what: string,
  hint?: typeof nearestHint,
): void {
  for (const value of wanted.filter((value) => !known.includes(value))) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `${option} ${value}: expected ${what} (${known.join(', ') || 'it has none'})${hint?.(value, known) ?? ''}`,
    );
  }
}

/** All runs of a sweep get as many threads, whichever are left to run: their times are compared. */
function lanesOf(runs: readonly PlannedRun[], wanted: number | undefined): Lanes {
  const { device, threads } = runs[0]!.config;
  const cores = chooseThreads();
  const lanes = chooseDevice(device).backend === 'cuda' ? 1 : cores;
  const parallel = Math.min(wanted ?? lanes, runs.length);
  return { parallel, threads: threads === 'auto' ? Math.max(1, Math.floor(cores / parallel)) : threads };
}

/** How many directories a message lists. */
const mostListed = 10;

function refuseOthers(outcomes: readonly Outcome[]): void {
  const others = outcomes.flatMap(({ run, status }) =>
    status.state === 'foreign' ? [`${run.directory}: ${status.reason}`] : [],
  );
  if (others.length === 0) return;
  const more = others.length - mostListed;
  throw problemList('these directories hold other runs; replace them with --overwrite, or choose another output', [
    ...others.slice(0, mostListed),
    ...(more > 0 ? [`and ${more} more`] : []),
  ]);
}

async function showPlan(sweep: Sweep, outcomes: Outcome[], lanes: Lanes, flags: SweepFlags): Promise<void> {
  const time = await expectedTime(outcomes, lanes);
  if (flags.json) console.log(JSON.stringify({ ...sweepRecord(sweep, outcomes), ...lanes, expected: time }, null, 2));
  else console.log(planText(outcomes, lanes, time));
}

/** Ranks what is complete; writes a report if there is a file for it. */
async function showTable(
  sweep: Sweep,
  outcomes: Outcome[],
  file: string | undefined,
  flags: SweepFlags,
): Promise<void> {
  const record = sweepRecord(sweep, outcomes);
  const directories = reportOrder(record);
  const report = file !== undefined && directories.length > 0 ? file : undefined;
  const problem = report && (await problemOfReport(directories, report));
  if (problem !== undefined && flags.output !== undefined) process.exitCode = 1; // it was asked for
  if (flags.json) {
    console.log(JSON.stringify({ ...record, report: report ?? null, reportProblem: problem }, null, 2));
  } else {
    console.log(rankingText(record.ranking, outcomes, sweep.output));
    if (report !== undefined) console.log(`\n${problem ?? `wrote ${report}`}`);
  }
}

/** Complete runs, the baseline's or else the best group's first: others are compared with the first. */
function reportOrder({ ranking }: SweepRecord): string[] {
  return [...ranking].sort((a, b) => Number(b.isBaseline) - Number(a.isBaseline)).flatMap((group) => group.directories);
}

interface Work {
  sweep: Sweep;
  /** Of all runs; changed as they finish. */
  outcomes: Outcome[];
  /** Those to be run. */
  chosen: Outcome[];
  lanes: Lanes;
}

async function runSweep({ sweep, outcomes, chosen, lanes }: Work, flags: SweepFlags): Promise<void> {
  await explainWriting(`${sweep.output} (the sweep)`, 'nothing was begun', () => makeDirectory(sweep.output));
  const progress = new ProgressLine();
  const say = (text: string) => {
    if (!flags.json) progress.print(text);
  };
  const interrupt = interruptSignal(() =>
    progress.print('stopping the runs after their steps; once more to stop at once'),
  );
  let lock: HeldLock | undefined;
  try {
    lock = await claimLock({
      lock: path.join(sweep.output, sweepLockName),
      subject: `output ${sweep.output}`,
      activity: 'runs a sweep there',
      signal: interrupt.signal,
      onNote: say,
    });
    const held = lock;
    const width = Math.max(...chosen.map(({ run }) => run.group.length));
    const left = chosen.filter(({ status }) => status.state !== 'complete');
    say(`${left.length} of ${counted(chosen.length, 'run')} to train, ${lanesText(lanes)}, in ${sweep.output}`);
    const runner = new SweepRunner({
      ...lanes,
      overwrite: flags.overwrite ?? false,
      signal: interrupt.signal,
      onNote: say,
      async onStatus(run, status) {
        chosen.find((outcome) => outcome.run === run)!.status = status;
        say(outcomeText({ run, status }, width));
        await held.require(`output ${sweep.output}`, 'the sweep went on', 'start it again where its runs are now');
        await writeSweepRecord(sweepRecord(sweep, outcomes));
      },
    });
    const ticker = flags.json ? undefined : followRuns(runner, chosen, progress);
    try {
      await runner.run(left.map(({ run }) => run));
    } finally {
      clearInterval(ticker);
      progress.clear();
    }
    await writeSweepRecord(sweepRecord(sweep, outcomes));
    await showTable(sweep, chosen, flags.output ?? path.join(sweep.output, reportFileName), flags);
    if (chosen.some(({ status }) => status.state === 'failed')) process.exitCode = 1;
    if (interrupt.signal.aborted && chosen.some(({ status }) => status.state !== 'complete')) {
      console.error('stopped before the end; the same command goes on');
      process.exitCode = interrupt.exitCode();
    }
  } finally {
    interrupt.release();
    await lock?.release();
  }
}

/** Shows what is running, and the time left by planned FLOPs. */
function followRuns(runner: SweepRunner, outcomes: readonly Outcome[], progress: ProgressLine): NodeJS.Timeout {
  const start = performance.now();
  const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + of(outcome), 0);
  const before = sum(doneFlops);
  const text = () => {
    const { running, waiting } = runner;
    const doneOf = (outcome: Outcome) => {
      const step = running.get(outcome.run)?.step;
      return step === undefined ? doneFlops(outcome) : flopsUpTo(outcome.run.plan, step);
    };
    const isToCome = ({ run }: Outcome) => running.has(run) || waiting.includes(run);
    const left = sum((outcome) => (isToCome(outcome) ? outcome.run.plan.allFlops - doneOf(outcome) : 0));
    const ms = remainingMs(left, sum(doneOf) - before, performance.now() - start);
    const complete = outcomes.filter(({ status }) => status.state === 'complete').length;
    return [
      `${complete}/${counted(outcomes.length, 'run')}`,
      ...(ms === null ? [] : [`ETA ${duration(ms)}`]),
      ...[...running].map(([{ name, config }, latest]) =>
        latest === undefined ? `${name} starting` : `${name} ${latest.step}/${config.steps} ${latest.loss.toFixed(3)}`,
      ),
    ].join('  ');
  };
  return setInterval(() => {
    if (runner.running.size > 0) progress.update(text);
  }, 200);
}
