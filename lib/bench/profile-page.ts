// The page of `burgeon train --profile`: the ops of each stage under the roofs of the machine, and where it was busy. Pure.

import { isBusy } from '../addon/peak.ts';
import { count, percent } from '../format.ts';
import { msText } from './bench-page.ts';
import { judgeNoise } from './noise.ts';
import type { BenchPageData, Dot, PageTable } from './page-data.ts';
import { type OpTotals, phases, savingOf } from './profile-events.ts';
import type { Profile, ProfiledStage } from './profile-steps.ts';
import { opSentence, type Placement, place } from './roofline.ts';
import { quantile } from './statistics.ts';

/** Steps of a stage that take so much longer than the faster half were disturbed. */
const slowerBy = 1.25;

/** Which stages had steps that were disturbed, for people; nothing on a quiet machine. */
export function disturbedStages(stages: readonly Pick<ProfiledStage, 'name' | 'steps' | 'totals'>[]): string[] {
  const slow = stages
    .map(({ name, steps, totals }) => {
      const times = steps.map(({ ms }) => ms);
      return { name, by: quantile(times, 0.9) / totals.ms };
    })
    .filter(({ by }) => by > slowerBy);
  if (slow.length === 0) return [];
  const most = Math.max(...slow.map(({ by }) => by)).toFixed(1);
  return [
    `some steps of ${slow.map(({ name }) => name).join(', ')} took up to ${most} times as long as the faster half, which the tables are of: something else ran`,
  ];
}

interface PlacedOp {
  op: OpTotals;
  placement: Placement;
}

export function profilePage(
  profile: Profile,
  head: Pick<BenchPageData, 'title' | 'command' | 'written' | 'machine'> & { precision: string },
): BenchPageData {
  const { precision, ...rest } = head;
  const { stages, peak, peakFlopsPerSecond } = profile;
  const roofs = { flopsPerSecond: peakFlopsPerSecond, bytesPerSecond: peak.bytesPerSecond };
  const placed = stages.map(({ totals }) =>
    totals.ops.map((op): PlacedOp => {
      const { ms, flops, bytes, calls } = op;
      return { op, placement: place({ ms: ms / calls, flops: flops / calls, bytes: bytes / calls }, roofs) };
    }),
  );
  const dense = Math.max(
    0,
    stages.findIndex(({ isDense }) => isDense),
  );
  return {
    ...rest,
    noise: judgeNoise(
      stages.map(({ name, steps }) => ({ name: `steps of ${name}`, samples: steps.map(({ ms }) => ms) })),
      peak.processorShare,
    ),
    warnings: disturbedStages(stages),
    roofs: {
      products: [{ name: precision === 'bf16' ? 'bf16' : 'fp32', perSecond: peakFlopsPerSecond }],
      copy: peak.bytesPerSecond,
    },
    series: stages.map(({ name }) => name),
    dots: placed.flatMap((ops, series) =>
      ops.flatMap((one) => dotOf(one, series, stages[series]!.name, series === dense)),
    ),
    sentences: placed[dense]!.map(({ op, placement }) =>
      opSentence({
        name: `${op.phase} ${op.op} (${percent(op.share)} of a ${stages[dense]!.isDense ? 'dense ' : ''}step)`,
        ms: op.ms / op.calls,
        bytes: op.bytes / op.calls,
        placement,
        isBusy: isBusy(peak),
      }),
    ),
    tables: [phaseTable(stages), ...stages.map((stage, i) => opTable(stage, placed[i]!, stages[dense]!))],
  };
}

function dotOf({ op, placement }: PlacedOp, series: number, stage: string, isNamed: boolean): Dot[] {
  const { intensity, flopsPerSecond, bytesPerSecond, share, bound } = placement;
  const speed = intensity === null ? bytesPerSecond : flopsPerSecond;
  if (speed === null) return [];
  const name = `${op.phase} ${op.op}`;
  const text = `${name}, ${stage}: ${percent(op.share)} of a step, ${count(speed)}${intensity === null ? 'B/s' : 'FLOP/s'}, ${percent(share, 0)} of its roof, bound by ${bound}`;
  return [{ name, detail: stage, series, isNamed, intensity, speed, low: speed, high: speed, text }];
}

function phaseTable(stages: readonly ProfiledStage[]): PageTable {
  return {
    title: 'Steps',
    note: 'Means of the faster half of the steps. Idle: no op runs and no batch is waited for, as when subnetworks are drawn.',
    head: ['stage', 'time', ...phases],
    rows: stages.map(({ name, totals }) => [
      name,
      msText(totals.ms),
      ...phases.map((phase) => percent(totals.phases[phase] / totals.ms)),
    ]),
  };
}

function opTable({ name, isDense }: ProfiledStage, placed: readonly PlacedOp[], complete: ProfiledStage): PageTable {
  return {
    title: `${name}${isDense ? ', nothing left out' : ''}`,
    head: [
      'op',
      'bound by',
      'of its roof',
      'of the step',
      'calls',
      'time',
      'FLOP/s',
      'B/s',
      ...(isDense ? [] : ['work', 'time, of dense', 'skip efficiency']),
    ],
    answer: 1,
    rows: placed.map(({ op, placement }) => {
      const { bound, share, roof, flopsPerSecond, bytesPerSecond } = placement;
      const saving = isDense ? null : savingOf(op, complete.totals);
      const or = (value: number | null | undefined, text: (value: number) => string) =>
        value === null || value === undefined ? '–' : text(value);
      const isKnown = flopsPerSecond !== null || bytesPerSecond !== null;
      return [
        `${op.phase} ${op.op}`,
        isKnown ? bound : '–',
        isKnown ? `${percent(share, 0)} (${roof})` : '–',
        percent(op.share),
        String(Math.round(op.calls)),
        msText(op.ms),
        or(flopsPerSecond, (value) => `${count(value)}FLOP/s`),
        or(bytesPerSecond, (value) => `${count(value)}B/s`),
        ...(isDense
          ? []
          : [
              or(saving?.workRatio, percent),
              or(saving?.timeRatio, percent),
              or(saving?.efficiency, (value) => value.toFixed(2)),
            ]),
      ];
    }),
  };
}
