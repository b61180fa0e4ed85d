// What `burgeon sweep` prints. Pure.

import { lossText } from '../report/comparison-text.ts';
import { gainBudgets } from '../report/compute-gain.ts';
import { gainBudgetNames, gainText } from '../report/gain-text.ts';
import type { ExpectedTime } from '../sweep/expected-time.ts';
import type { RankedGroup } from '../sweep/rank.ts';
import type { Outcome } from '../sweep/run-status.ts';
import { count, counted, duration, facts, table } from './format.ts';

const gainHead = gainBudgets.map((budget) => `gain, ${gainBudgetNames[budget]}`);

const flop = (value: number) => `${count(value)}FLOP`;

/** How many runs at a time, on how many threads. */
export interface Lanes {
  parallel: number;
  threads: number;
}

export function lanesText({ parallel, threads }: Lanes): string {
  return `${parallel} at a time, ${counted(threads, 'thread')} each`;
}

/** One line on a run that is done. @param width of the longest name. */
export function outcomeText({ run, status }: Outcome, width = 0): string {
  const head = `${run.group.padEnd(width)}  seed ${run.seed}`;
  if (status.state === 'complete') {
    const { loss, blockFlops, seconds } = status.result;
    return `${head}  loss ${loss.toFixed(4)}  block FLOPs ${flop(blockFlops)}  ${duration(1000 * seconds)}`;
  }
  if (status.state === 'failed') return `${head}  failed: ${status.reason}`;
  if (status.state === 'foreign') return `${head}  left out, ${run.directory} holds another run: ${status.reason}`;
  return `${head}  ${'step' in status && status.step > 0 ? `stopped after step ${status.step}` : 'not begun'}`;
}

/** What a sweep would do. */
export function planText(outcomes: readonly Outcome[], lanes: Lanes, time: ExpectedTime): string {
  const total = (key: 'blockFlops' | 'allFlops') => outcomes.reduce((sum, { run }) => sum + run.plan[key], 0);
  return [
    `${counted(outcomes.length, 'run')}, ${lanesText(lanes)}`,
    table([
      ['', 'steps', 'parameters', 'block FLOPs', 'all FLOPs', ''],
      ...outcomes.map(({ run, status }) => [
        run.name,
        String(run.config.steps),
        count(run.parameters),
        flop(run.plan.blockFlops),
        flop(run.plan.allFlops),
        planned(status),
      ]),
      ['all', '', '', flop(total('blockFlops')), flop(total('allFlops')), ''],
    ]),
    facts([['expected time', timeText(time, lanes)]]),
  ].join('\n');
}

function planned(status: Outcome['status']): string {
  if (status.state === 'complete') return 'complete';
  if (status.state === 'foreign') return 'replaces another run';
  return 'step' in status && status.step > 0 ? `goes on after step ${status.step}` : 'new';
}

function timeText({ flops, seconds, flopsPerSecond, from }: ExpectedTime, { parallel }: Lanes): string {
  const left = `for ${flop(flops)}`;
  if (flops === 0) return 'none; all runs are complete';
  if (seconds === null) return `not known ${left} before a run is finished on this device`;
  const time = duration(1000 * seconds);
  const rate = `${flop(flopsPerSecond!)}/s`;
  return from === 'finished'
    ? `${time} ${left}, at the ${rate} of the finished runs, ${parallel} at a time`
    : `more than ${time} ${left}: that is at ${rate}, the measured peak, of which runs reach a part`;
}

/** The ranked table, and what is missing from it. */
export function rankingText(ranking: readonly RankedGroup[], outcomes: readonly Outcome[], output: string): string {
  const complete = outcomes.filter(({ status }) => status.state === 'complete').length;
  const hasGain = ranking.some(({ gain }) => gain !== null);
  const rows = ranking.map((group, i) => [
    `${group.loss === null ? '-' : i + 1}  ${group.name}${group.isBaseline ? ' (baseline)' : ''}`,
    `${group.seeds.length} of ${group.runs}`,
    group.loss === null ? '' : lossText(group.loss),
    group.blockFlops === null ? '' : flop(group.blockFlops.mean),
    group.seconds === null ? '' : duration(1000 * group.seconds.mean),
    ...(hasGain ? gainBudgets.map((budget) => (group.gain === null ? '' : gainText(group.gain[budget]))) : []),
  ]);
  const failed = outcomes.filter(({ status }) => 'reason' in status).map((outcome) => `  ${outcomeText(outcome)}`);
  const threads = new Set(outcomes.flatMap(({ status }) => (status.state === 'complete' ? status.result.threads : [])));
  return [
    `${complete} of ${counted(outcomes.length, 'run')} complete, in ${output}`,
    table([['', 'seeds', 'held-out loss', 'block FLOPs', 'time', ...(hasGain ? gainHead : [])], ...rows]),
    ...(hasGain ? ['gain: what the baseline needs for the loss a run ends with, over what the run took'] : []),
    ...failed,
    ...(threads.size > 1
      ? [`times cannot be compared: runs had ${[...threads].sort((a, b) => a - b).join(' and ')} threads`]
      : []),
  ].join('\n');
}
