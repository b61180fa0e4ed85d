// Results of `burgeon bench` as text, within 100 columns. Pure.

import type { ComparedEntry, Comparison } from '../bench/compare.ts';
import type { Machine } from '../bench/machine.ts';
import { gate, type RowResult } from '../bench/model-bench.ts';
import type { OpEntry } from '../bench/op-bench.ts';
import { type OpModelName, opModels } from '../bench/op-shapes.ts';
import type { PeakEntry } from '../bench/peak-bench.ts';
import type { RankRow } from '../bench/rank-bench.ts';
import { type Spread, spreadOf } from '../bench/statistics.ts';
import { isCuda, type Target } from '../bench/target.ts';
import { onStdout } from './colour.ts';
import { bytes, count, counted, facts, percent, plural, table } from './format.ts';

/** Milliseconds with three or four digits. */
export function milliseconds(ms: number): string {
  return ms.toFixed(ms >= 99.95 ? 0 : ms >= 9.995 ? 1 : ms >= 0.9995 ? 2 : 3);
}

function range({ low, high }: Spread, text: (value: number) => string): string {
  return `${text(low)}..${text(high)}`;
}

const efficiency = (value: number | null) => (value === null ? '' : value.toFixed(2));
const threadsOf = (threads: number) => counted(threads, 'thread');
const placeOf = (target: Target) => (isCuda(target) ? target.device : threadsOf(target.threads));
const roundsOf = (rounds: number) => counted(rounds, 'round');

export function describeMachineLines(machine: Machine): string {
  return facts(machineFacts(machine), '');
}

/** Names and values. */
export function machineFacts(machine: Machine): (readonly [string, string])[] {
  const { processor, cores, memoryGiB, system, isa, threads, cuda, burgeon, commit, node } = machine;
  const rate = (giga: number, unit: string) => (cuda ? `${count(giga * 1e9)}${unit}` : `${giga} G${unit}`);
  const peaks = `fp32 ${rate(machine.peakGflops, 'FLOP/s')}, bf16 ${rate(machine.peakBf16Gflops, 'FLOP/s')}, memory copy ${rate(machine.copyGBs, 'B/s')}`;
  return [
    ['processor', `${processor}, ${cores} ${plural(cores, 'core')} available, ${memoryGiB} GiB, ${system}`],
    ...(cuda
      ? ([
          ['device', `${cuda.device} ${cuda.name}, ${bytes(cuda.memoryBytes)}, ${isa}`],
          ['library', `built with ${cuda.toolkit} for ${cuda.architectures}`],
          ['products', cuda.products],
        ] as const)
      : []),
    ['peak', cuda ? peaks : `${peaks} on ${threadsOf(threads)}, ${isa}`],
    ['burgeon', `${burgeon}${commit === null ? '' : ` (${commit})`}, node ${node}`],
  ];
}

export function describePeaks(entries: readonly PeakEntry[], rounds: number): string {
  const rows = entries.map((entry) => {
    const text = (value: number) => `${count(value)}${entry.unit}`;
    const spread = spreadOf(entry.samples);
    return [entry.what, String(entry.threads ?? entry.device), text(spread.median), range(spread, count)];
  });
  const onDevice = entries[0]?.device !== undefined;
  return [
    `peaks, ${roundsOf(rounds)}`,
    table([['', onDevice ? 'device' : 'threads', 'median', 'quartiles'], ...rows]),
    '',
    onDevice
      ? 'fp32, bf16   large square products from and to its memory; bf16: operands bfloat16, sums fp32'
      : 'fp32, bf16   products of register tiles on cached data; bf16: operands bfloat16, sums fp32',
    'memory copy  far larger than the caches, bytes read + written',
  ].join('\n');
}

export function describeOps(
  entries: readonly OpEntry[],
  options: Target & { model: OpModelName; vocabSize?: number; precision: string; rounds: number; cold: boolean },
): string {
  const { width, neurons, heads, sequenceLength, tokens, vocabSize } = { ...opModels[options.model], ...options };
  const rows = entries.map((entry) => {
    const isFull = entry.rate === 1;
    const perSecond = (1000 * (entry.flops || entry.bytes)) / entry.ms.median;
    return [
      isFull ? entry.op : '',
      String(entry.rate),
      milliseconds(entry.ms.median),
      range(entry.ms, milliseconds),
      `${count(perSecond)}${entry.flops > 0 ? 'FLOP/s' : 'B/s   '}`,
      percent(entry.shareOfPeak, 0),
      isFull ? '' : (1 / entry.timeRatio.median).toFixed(2),
      isFull ? '' : (1 / entry.workRatio).toFixed(2),
      efficiency(entry.skipEfficiency),
    ];
  });
  return [
    `ops of the ${options.model} model: C ${width}, F ${neurons}, ${counted(heads, 'head')}, T ${sequenceLength}, N ${tokens}, V ${vocabSize}`,
    `${options.precision}, ${placeOf(options)}, ${roundsOf(options.rounds)}, rates in turn, ${options.cold ? 'caches cold (evicted before each repetition)' : 'caches warm (after an untimed repetition)'}`,
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

export function describeRow(result: RowResult, options: Target & { precision: string; rounds: number }): string {
  const { row, entries, savings } = result;
  const { nLayer, nHead, nEmbd, vocabSize } = row.config;
  const rows = entries.map((entry, i) => [
    entry.name,
    `${entry.groups}, ${entry.inactive}`,
    milliseconds(entry.ms.median),
    range(entry.ms, milliseconds),
    count(entry.tokensPerSecond),
    entry.gflops < 10 ? entry.gflops.toPrecision(2) : entry.gflops.toFixed(0),
    percent(entry.shareOfPeak, 0),
    percent(entry.allFlopRatio),
    i === 0 ? percent(1) : percent(entry.timeRatio.median),
    efficiency(entry.skipEfficiency),
  ]);
  return [
    `${row.name}: ${counted(nLayer, 'layer')}, ${counted(nHead, 'head')}, width ${nEmbd}, T ${row.sequenceLength}, B ${row.batchSize}, V ${vocabSize}`,
    `${options.precision}, ${placeOf(options)}, ${roundsOf(options.rounds)} in turn`,
    '',
    table(
      [['step', 'groups', 'ms', 'quartiles', 'tokens/s', 'GFLOP/s', 'of peak', 'FLOPs', 'time', 'skip eff.'], ...rows],
      '',
    ),
    '',
    ...savings.map(
      ({ schedule, groups, inactive, time, allFlops }) =>
        `saving    ${schedule}, ${counted(groups, 'group')}, ${inactive}: ${percent(time)} of the time of a dense run, ${percent(allFlops)} of its FLOPs`,
    ),
    ...entries
      .filter(({ isWithinGate }) => isWithinGate !== undefined)
      .map(
        ({ name, timeRatio, allFlopRatio, isWithinGate }) =>
          `gate      ${name} with 1 group: ${percent(timeRatio.median)} of the time, ${isWithinGate ? 'at most' : 'more than'} its FLOPs + ${percent(gate, 0)} = ${percent(allFlopRatio + gate)}: ${isWithinGate ? 'passed' : 'FAILED'}`,
      ),
    ...updateLine(entries),
    `memory    ${bytes(result.parameterBytes)} weights, gradients, moments; ${bytes(result.activationBytes)} activations; peak RSS so far ${bytes(result.peakRssBytes)}`,
  ].join('\n');
}

/** With Muon, whose products are in no other figure. */
function updateLine(entries: RowResult['entries']): string[] {
  if (entries.every(({ newtonSchulzFlops }) => newtonSchulzFlops === 0)) return [];
  const texts = entries.map(
    ({ name, inactive, newtonSchulzFlops, updateShare }) =>
      `${name} (${inactive}) ${percent(updateShare.median)} of its time, ${count(newtonSchulzFlops)}FLOP`,
  );
  return [`update    by Muon: ${texts.join('; ')}`];
}

export function describeRankRow(
  { row, microBatches, entries }: RankRow,
  { precision, rounds }: { precision: string; rounds: number },
): string {
  const { nLayer, nEmbd, vocabSize } = row.config;
  const rows = entries.map((entry) => {
    const { name, groups, ranks, threads, ms, waitMs, exchangeMs, sent, sentGBs, efficiency: found } = entry;
    return [
      ranks === 1 ? `${name}, ${counted(groups, 'group')}` : '',
      `${ranks} x ${threads}`,
      milliseconds(ms.median),
      range(ms, milliseconds),
      ...(sentGBs === null
        ? ['', '', '', '', '']
        : [
            milliseconds(waitMs.median),
            milliseconds(exchangeMs.median),
            bytes(sent.gradients),
            `${sentGBs.toPrecision(2)} GB/s`,
            found!.median.toFixed(2),
          ]),
    ];
  });
  return [
    `${row.name}: ${counted(nLayer, 'layer')}, width ${nEmbd}, T ${row.sequenceLength}, B ${row.batchSize} in ${microBatches} micro-batches, V ${vocabSize}`,
    `${precision}, ${roundsOf(rounds)} in turn`,
    '',
    table([['step', 'ranks', 'ms', 'quartiles', 'wait', 'exchange', 'sent', 'speed', 'eff.'], ...rows], ''),
  ].join('\n');
}

export const ranksLegend = [
  'ranks     processes x threads of each: as many threads in all',
  'stage 1   half of the heads, neurons and layers, drawn; L/4, L/2, width/2: the first ones (nested)',
  'wait      of rank 0, for the slowest; exchange: sum of the gradients, of which a rank sends so much',
  'eff.      time of one rank over that of several, in the same rounds: 1 where the exchange is free,',
  '          more where the threads of one process wait for each other more than processes do',
].join('\n');

/** Products faster than their peak mean that the peak was disturbed; every share of this run is then too high. */
export function describeDoubt(entries: readonly object[], note: (text: string) => string = onStdout.note): string[] {
  const shares = entries.map((entry) => {
    const { flops = 0, shareOfPeak = 0 } = entry as { flops?: number; shareOfPeak?: number };
    return flops > 0 ? shareOfPeak : 0;
  });
  const most = Math.max(0, ...shares);
  if (most <= 1) return [];
  return [
    note(`up to ${percent(most, 0)} of the measured peak: something else ran when that was measured; measure again`),
  ];
}

export const modelLegend = [
  'stage 1   half of the heads, neurons and layers; stage 2: half of the heads and neurons, all layers',
  'groups    subnetworks per step, and what happens to units that none of them touched',
  'FLOPs     executed, with the output head, against the dense step; time likewise, in the same rounds',
  'of peak   of the product peak of this run in that precision',
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
    ...comparison.differences.map((difference) => onStdout.note(`another ${difference}`)),
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
