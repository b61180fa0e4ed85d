// Results of `burgeon bench` as text, within 100 columns. Pure.

import type { ComparedEntry, Comparison } from '../bench/compare.ts';
import type { Machine } from '../bench/machine.ts';
import type { RowResult } from '../bench/model-bench.ts';
import type { OpEntry } from '../bench/op-bench.ts';
import { type OpModelName, opModels } from '../bench/op-shapes.ts';
import type { PeakEntry } from '../bench/peak-bench.ts';
import { type Spread, spreadOf } from '../bench/statistics.ts';
import { bytes, count, facts, percent, table } from './format.ts';

/** Milliseconds with three or four digits. */
export function milliseconds(ms: number): string {
  return ms.toFixed(ms >= 99.95 ? 0 : ms >= 9.995 ? 1 : ms >= 0.9995 ? 2 : 3);
}

function range({ low, high }: Spread, text: (value: number) => string): string {
  return `${text(low)}..${text(high)}`;
}

const efficiency = (value: number | null) => (value === null ? '' : value.toFixed(2));
const threadsOf = (threads: number) => `${threads} thread${threads === 1 ? '' : 's'}`;
const roundsOf = (rounds: number) => `${rounds} round${rounds === 1 ? '' : 's'}`;

export function describeMachineLines(machine: Machine): string {
  const { processor, cores, memoryGiB, system, isa, threads, burgeon, commit, node } = machine;
  return facts(
    [
      ['processor', `${processor}, ${cores} cores available, ${memoryGiB} GiB, ${system}`],
      [
        'peak',
        `fp32 ${machine.peakGflops} GFLOP/s, bf16 ${machine.peakBf16Gflops} GFLOP/s, memory copy ${machine.copyGBs} GB/s on ${threadsOf(threads)}, ${isa}`,
      ],
      ['burgeon', `${burgeon}${commit === null ? '' : ` (${commit})`}, node ${node}`],
    ],
    '',
  );
}

export function describePeaks(entries: readonly PeakEntry[], rounds: number): string {
  const rows = entries.map((entry) => {
    const text = (value: number) => `${count(value)}${entry.unit}`;
    const spread = spreadOf(entry.samples);
    return [entry.what, String(entry.threads), text(spread.median), range(spread, count)];
  });
  return [
    `peaks, ${roundsOf(rounds)}`,
    table([['', 'threads', 'median', 'quartiles'], ...rows]),
    '',
    'fp32, bf16   products of register tiles on cached data; bf16: operands bfloat16, sums fp32',
    'memory copy  far larger than the caches, bytes read + written',
  ].join('\n');
}

export function describeOps(
  entries: readonly OpEntry[],
  options: { model: OpModelName; precision: string; threads: number; rounds: number; cold: boolean },
): string {
  const { width, neurons, heads, sequenceLength, tokens, vocabSize } = opModels[options.model];
  const rows = entries.map((entry) => {
    const isFull = entry.rate === 1;
    const perMs = (entry.flops || entry.bytes) / entry.ms.median / 1e6;
    return [
      isFull ? entry.op : '',
      String(entry.rate),
      milliseconds(entry.ms.median),
      range(entry.ms, milliseconds),
      `${perMs.toFixed(perMs < 99.95 ? 1 : 0)} ${entry.flops > 0 ? 'GFLOP/s' : 'GB/s   '}`,
      percent(entry.shareOfPeak, 0),
      isFull ? '' : (1 / entry.timeRatio.median).toFixed(2),
      isFull ? '' : (1 / entry.workRatio).toFixed(2),
      efficiency(entry.skipEfficiency),
    ];
  });
  return [
    `ops of the ${options.model} model: C ${width}, F ${neurons}, ${heads} heads, T ${sequenceLength}, N ${tokens}, V ${vocabSize}`,
    `${options.precision}, ${threadsOf(options.threads)}, ${roundsOf(options.rounds)}, rates in turn, ${options.cold ? 'caches cold (evicted before each repetition)' : 'caches warm (after an untimed repetition)'}`,
    '',
    table([['op', 'rate', 'ms', 'quartiles', 'throughput', 'of peak', 'speed-up', 'ideal', 'skip eff.'], ...rows], ''),
    '',
    'rate      share of active heads or neurons, spread evenly and rounded to whole ones',
    options.cold
      ? 'of peak   of the product peak of this run; ops in GB/s: of a copy of as many bytes in the same round'
      : 'of peak   of the product peak of this run; ops in GB/s: of its memory copy, which caches may exceed',
    'ideal     work at rate 1 over work at this rate (FLOPs, or bytes where there are none)',
    'skip eff. time saved over work saved, against rate 1 in the same rounds',
  ].join('\n');
}

export function describeRow(
  result: RowResult,
  options: { precision: string; threads: number; rounds: number },
): string {
  const { row, entries } = result;
  const { nLayer, nHead, nEmbd, vocabSize } = row.config;
  const rows = entries.map((entry, i) => [
    entry.name,
    `${entry.groups}, ${entry.inactive}`,
    milliseconds(entry.ms.median),
    range(entry.ms, milliseconds),
    count(entry.tokensPerSecond),
    entry.gflops.toFixed(0),
    percent(entry.shareOfPeak, 0),
    percent(entry.allFlopRatio),
    i === 0 ? percent(1) : percent(entry.timeRatio.median),
    efficiency(entry.skipEfficiency),
  ]);
  return [
    `${row.name}: ${nLayer} layers, ${nHead} heads, width ${nEmbd}, T ${row.sequenceLength}, B ${row.batchSize}, V ${vocabSize}`,
    `${options.precision}, ${threadsOf(options.threads)}, ${roundsOf(options.rounds)} in turn`,
    '',
    table(
      [['step', 'groups', 'ms', 'quartiles', 'tokens/s', 'GFLOP/s', 'of peak', 'FLOPs', 'time', 'skip eff.'], ...rows],
      '',
    ),
    '',
    `memory    ${bytes(result.parameterBytes)} weights, gradients, moments; ${bytes(result.activationBytes)} activations; peak RSS so far ${bytes(result.peakRssBytes)}`,
  ].join('\n');
}

/** Products faster than their peak mean that the peak was disturbed; every share of this run is then too high. */
export function describeDoubt(entries: readonly object[]): string[] {
  const shares = entries.map((entry) => {
    const { flops = 0, shareOfPeak = 0 } = entry as { flops?: number; shareOfPeak?: number };
    return flops > 0 ? shareOfPeak : 0;
  });
  const most = Math.max(0, ...shares);
  if (most <= 1) return [];
  return [
    `note: up to ${percent(most, 0)} of the measured peak: something else ran while the peak was measured; measure again`,
  ];
}

export const modelLegend = [
  'stage 1   half of the heads, neurons and layers; stage 2: half of the heads and neurons, all layers',
  'groups    subnetworks per step, and what happens to units that none of them touched',
  'FLOPs     executed, with the output head, against the dense step; time likewise, in the same rounds',
  'of peak   of the product peak of this run in that precision; attention computes in float32 always',
  'skip eff. time saved over FLOPs saved',
].join('\n');

export function describeComparison(comparison: Comparison, oldName: string, date: string, threshold: number): string {
  const share = (value: number) => percent(value);
  const row = ({ key, ratio, verdict }: ComparedEntry) => [
    key,
    share(ratio.median),
    range(ratio, share),
    verdict === 'same' ? '' : verdict,
  ];
  const missing = (keys: string[], where: string) =>
    keys.length === 0 ? [] : [`only ${where}: ${keys.length} (${keys[0]}${keys.length > 1 ? ', ...' : ''})`];
  const slower = comparison.entries.filter(({ verdict }) => verdict === 'slower').length;
  return [
    `against ${oldName} (${date})`,
    ...comparison.differences.map((difference) => `note: another ${difference}`),
    '',
    table([['', 'time', 'quartiles', ''], ...comparison.entries.map(row)], ''),
    '',
    'time      of now over then, medians; quartiles of all pairs of samples',
    ...missing(comparison.onlyOld, 'then'),
    ...missing(comparison.onlyNew, 'now'),
    slower === 0
      ? `no regression beyond ${percent(threshold, 0)}`
      : `${slower} of ${comparison.entries.length} slower by more than ${percent(threshold, 0)}, with quartiles that do not overlap`,
  ].join('\n');
}
