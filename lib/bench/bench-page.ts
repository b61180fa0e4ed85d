// The pages of `burgeon bench`: what was measured, put under the roofs that were measured with it. Pure.

import { isBusy } from '../addon/peak.ts';
import { bytes, count, percent } from '../format.ts';
import type { Machine } from './machine.ts';
import type { RowResult } from './model-bench.ts';
import { judgeNoise } from './noise.ts';
import type { OpEntry } from './op-bench.ts';
import type { BenchPageData, Dot, PageTable } from './page-data.ts';
import type { PeakEntry } from './peak-bench.ts';
import type { RankRow } from './rank-bench.ts';
import type { BenchEntry } from './result-file.ts';
import { opSentence, type Placement, place, type Roofs } from './roofline.ts';
import { type Spread, spreadOf } from './statistics.ts';

/** What every page has. */
export interface PageHead extends Pick<BenchPageData, 'command' | 'written' | 'machine' | 'warnings'> {
  host: Machine;
}

/** Of an op or a step: 0.04 ms, 1234 ms. */
export const msText = (ms: number) => `${ms.toFixed(ms >= 99.95 ? 0 : ms >= 9.995 ? 1 : ms >= 0.9995 ? 2 : 3)} ms`;
const rangeText = ({ low, high }: Spread) => `${msText(low).slice(0, -3)} to ${msText(high)}`;

export function opsPage(
  entries: readonly OpEntry[],
  { model, precision, rounds }: { model: string; precision: 'float32' | 'bf16'; rounds: number },
  head: PageHead,
): BenchPageData {
  const { host } = head;
  const roofs: Roofs = {
    flopsPerSecond: 1e9 * (precision === 'bf16' ? host.peakBf16Gflops : host.peakGflops),
    bytesPerSecond: 1e9 * host.copyGBs,
  };
  const series = [false, true].filter((isCold) => entries.some((entry) => isColdEntry(entry) === isCold));
  const names = series.map((isCold) => `caches ${isCold ? 'cold' : 'warm'}`);
  const placed = entries.map((entry) => ({
    entry,
    placement: placeEntry(entry, roofs),
    kind: names[series.indexOf(isColdEntry(entry))]!,
  }));
  return {
    ...page(`ops of the ${model} model, ${precision}, ${rounds} rounds`, head),
    noise: judgeNoise(
      entries.map(({ op, rate, samples, ...entry }) => ({ name: `${op} ${kindOf(entry.key)}, rate ${rate}`, samples })),
      host.processorShare,
    ),
    series: names,
    dots: placed.map(({ entry, placement, kind }) => dotOf(entry, placement, names.indexOf(kind), kind)),
    sentences: [...new Set(entries.map(({ op }) => op))].map((op) =>
      sentenceOf(
        placed.filter(({ entry }) => entry.op === op),
        isBusy({ processorShare: host.processorShare ?? 1 }),
      ),
    ),
    tables: [boundTable(placed), ...rateTable(placed)],
  };
}

interface Placed {
  entry: OpEntry;
  placement: Placement;
  kind: string;
}

const isColdEntry = ({ key }: BenchEntry) => key.endsWith(' cold');
const kindOf = (key: string) => (key.endsWith(' cold') ? 'cold' : 'warm');

function placeEntry(entry: OpEntry, roofs: Roofs): Placement {
  const { ms, flops, bytes: moved, shareOfPeak } = entry;
  // Of an op without FLOPs the entry knows the better roof: cold, a copy of as many bytes.
  return place({ ms: ms.median, flops, bytes: moved }, roofs, flops > 0 ? undefined : shareOfPeak);
}

function dotOf(
  { op, rate, ms, flops, bytes: moved }: OpEntry,
  placement: Placement,
  series: number,
  kind: string,
): Dot {
  const { intensity, bound, share } = placement;
  const speed = (time: number) => (1000 * (intensity === null ? moved : flops)) / time;
  const unit = intensity === null ? 'B/s' : 'FLOP/s';
  return {
    name: op,
    detail: `${kind}, rate ${rate}`,
    series,
    isNamed: rate === 1,
    intensity,
    speed: speed(ms.median),
    low: speed(ms.high),
    high: speed(ms.low),
    text: `${op}, ${kind}, rate ${rate}: ${msText(ms.median)}, ${count(speed(ms.median))}${unit}, ${percent(share, 0)} of its roof, bound by ${bound}`,
  };
}

/** Of warm caches, where both were measured. */
function sentenceOf(placed: readonly Placed[], isBusyHost: boolean): string {
  const full = placed.filter(({ entry }) => entry.rate === 1);
  const { entry, placement } = full[0]!;
  const cold = full.find((other) => other.entry !== entry);
  const least = placed.findLast(
    (other) => other.entry.skipEfficiency !== null && other.kind === placed[0]!.kind,
  )?.entry;
  return opSentence({
    name: entry.op,
    ms: entry.ms.median,
    bytes: entry.bytes,
    placement,
    spread: entry.ms,
    isBusy: isBusyHost,
    coldRatio: cold && cold.entry.ms.median / entry.ms.median,
    skipping: least && { rate: least.rate, efficiency: least.skipEfficiency! },
  });
}

function boundTable(placed: readonly Placed[]): PageTable {
  const full = placed.filter(({ entry }) => entry.rate === 1);
  const ops = [...new Set(full.map(({ entry }) => entry.op))];
  const row = ({ entry, placement, kind }: Placed) => {
    const { intensity, flopsPerSecond, bytesPerSecond, bound, share, roof } = placement;
    const or = (value: number | null, unit: string) => (value === null ? '–' : `${count(value)}${unit}`);
    return [
      entry.op,
      bound,
      `${percent(share, 0)} (${roof})`,
      kind.replace('caches ', ''),
      msText(entry.ms.median),
      rangeText(entry.ms),
      or(flopsPerSecond, 'FLOP/s'),
      or(bytesPerSecond, 'B/s'),
      intensity === null ? '–' : intensity.toPrecision(3),
    ];
  };
  return {
    title: 'What each op is bound by',
    note: 'Of its roof: of the peak of products or of a memory copy, whichever is nearer. Neither: less than half of both.',
    head: ['op', 'bound by', 'of its roof', 'caches', 'time', 'quartiles', 'FLOP/s', 'B/s', 'FLOP per byte'],
    answer: 1,
    rows: ops.flatMap((op) => full.filter(({ entry }) => entry.op === op).map(row)),
  };
}

function rateTable(placed: readonly Placed[]): PageTable[] {
  const rows = placed
    .filter(({ entry }) => entry.skipEfficiency !== null)
    .map(({ entry, kind }) => [
      entry.op,
      String(entry.rate),
      kind.replace('caches ', ''),
      msText(entry.ms.median),
      percent(entry.workRatio),
      percent(entry.timeRatio.median),
      entry.skipEfficiency!.toFixed(2),
    ]);
  if (rows.length === 0) return [];
  return [
    {
      title: 'What leaving units out saves',
      isFolded: true,
      note: 'Work and time against rate 1, in the same rounds. Skip efficiency: time saved over work saved.',
      head: ['op', 'rate', 'caches', 'time', 'work', 'time, of rate 1', 'skip efficiency'],
      rows,
    },
  ];
}

export function peakPage(entries: readonly PeakEntry[], rounds: number, head: PageHead): BenchPageData {
  return {
    ...page(`peaks, ${rounds} rounds`, head),
    noise: judgeNoise(
      entries.map(({ key, samples }) => ({ name: key, samples })),
      head.host.processorShare,
    ),
    tables: [
      {
        title: 'Peaks',
        head: ['', 'on', 'median', 'quartiles'],
        rows: entries.map(({ what, threads, device, unit, samples }) => {
          const { median, low, high } = spreadOf(samples);
          const on = device ?? `${threads} thread${threads === 1 ? '' : 's'}`;
          return [what, on, `${count(median)}${unit}`, `${count(low)} to ${count(high)}${unit}`];
        }),
      },
    ],
  };
}

export function modelPage(results: readonly RowResult[], precision: string, head: PageHead): BenchPageData {
  return {
    ...page(`training steps, ${precision}`, head),
    noise: judgeNoise(
      results.flatMap(({ row, entries }) =>
        entries.map(({ name, groups, samples }) => ({ name: `${row.name} ${name}, ${groups} groups`, samples })),
      ),
      head.host.processorShare,
    ),
    tables: results.map(({ row, entries, parameterBytes, activationBytes }) => ({
      title: `${row.name}: ${row.config.nLayer} layers, ${row.config.nHead} heads, width ${row.config.nEmbd}, ${row.batchSize} × ${row.sequenceLength} tokens`,
      note: `${bytes(parameterBytes)} weights, gradients and moments; ${bytes(activationBytes)} activations. FLOPs and time are of the dense step.`,
      head: [
        'step',
        'groups',
        'time',
        'quartiles',
        'tokens/s',
        'of peak',
        'FLOPs',
        'time, of dense',
        'skip efficiency',
      ],
      rows: entries.map((entry, i) => [
        entry.name,
        `${entry.groups}, ${entry.inactive}`,
        msText(entry.ms.median),
        rangeText(entry.ms),
        count(entry.tokensPerSecond),
        percent(entry.shareOfPeak, 0),
        percent(entry.allFlopRatio),
        i === 0 ? percent(1) : percent(entry.timeRatio.median),
        entry.skipEfficiency?.toFixed(2) ?? '–',
      ]),
    })),
  };
}

export function ranksPage(results: readonly RankRow[], precision: string, head: PageHead): BenchPageData {
  return {
    ...page(`training steps of several processes, ${precision}`, head),
    noise: judgeNoise(
      results.flatMap(({ row, entries }) =>
        entries.map(({ name, groups, ranks, samples }) => ({
          name: `${row.name} ${name}, ${groups} groups, ${ranks} ranks`,
          samples,
        })),
      ),
      head.host.processorShare,
    ),
    tables: results.map(({ row, microBatches, entries }) => ({
      title: `${row.name}: ${row.config.nLayer} layers, width ${row.config.nEmbd}, ${row.batchSize} × ${row.sequenceLength} tokens in ${microBatches} micro-batches`,
      note: 'As many threads in all. Efficiency: time of one rank over that of several, in the same rounds.',
      head: ['step', 'groups', 'ranks', 'time', 'quartiles', 'waiting', 'exchange', 'sent by a rank', 'efficiency'],
      rows: entries.map(({ name, groups, ranks, ms, waitMs, exchangeMs, sent, efficiency }) => [
        name,
        String(groups),
        String(ranks),
        msText(ms.median),
        rangeText(ms),
        ...(efficiency === null
          ? ['–', '–', '–', '–']
          : [msText(waitMs.median), msText(exchangeMs.median), bytes(sent.gradients), efficiency.median.toFixed(2)]),
      ]),
    })),
  };
}

/** A page without ops. */
function page(title: string, { host, ...head }: PageHead) {
  return {
    title,
    ...head,
    roofs: {
      products: [
        { name: 'fp32', perSecond: 1e9 * host.peakGflops },
        // The same as fp32 where the processor has no instruction for it.
        ...(host.peakBf16Gflops > 1.05 * host.peakGflops
          ? [{ name: 'bf16', perSecond: 1e9 * host.peakBf16Gflops }]
          : []),
      ],
      copy: 1e9 * host.copyGBs,
    },
    series: [],
    dots: [],
    sentences: [],
  };
}
