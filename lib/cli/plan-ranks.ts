// burgeon plan --ranks: what the processes of a run exchange, in numbers and as a table.

import type { SentBytes } from '../ranks/sent-bytes.ts';
import { planRanks, type RankStage, secondsToSend, totalOf } from '../train/rank-plan.ts';
import { onStdout } from './colour.ts';
import { bytes, counted, table, wrapped } from './format.ts';
import type { PlanSubject } from './plan-subject.ts';

export interface RankPlan {
  ranks: number;
  /** 10^9 bytes per second; null: not given. */
  bandwidth: number | null;
  stages: (RankStage & {
    /** Of the exchange of a step, at the first and at the last step of the stage, without what latency takes. */
    seconds: { from: number; to: number } | null;
  })[];
}

/** @throws {BurgeonError} ERR_BURGEON_CONFIG where the micro-batches of a stage cannot be dealt, as training says it. */
export function planOfRanks({ model, config }: PlanSubject, ranks: number, bandwidth?: number): RankPlan {
  const secondsOf = (sent: SentBytes) => secondsToSend(sent, bandwidth! * 1e9);
  return {
    ranks,
    bandwidth: bandwidth ?? null,
    stages: planRanks(model, config, ranks).map((stage) => ({
      ...stage,
      seconds: bandwidth === undefined ? null : { from: secondsOf(stage.sentFrom), to: secondsOf(stage.sentTo) },
    })),
  };
}

/** The run as one of its ranks has it: its share of the micro-batches, and of the moments. */
export function withShareOfRank(subject: PlanSubject, ranks: number): PlanSubject {
  const { config, modelOptions } = subject;
  return {
    ...subject,
    config: { ...config, accumulationSteps: Math.max(1, config.accumulationSteps / ranks) },
    modelOptions: config.optimizer.shard ? { ...modelOptions, shard: { rank: 0, size: ranks } } : modelOptions,
  };
}

export function describeRanks({ ranks, bandwidth, stages }: RankPlan): string {
  const row = (stage: RankPlan['stages'][number]) => {
    const { microBatches, groups, sentFrom, sentTo, sums, buffers, seconds } = stage;
    return [
      String(stage.stage),
      `${microBatches / ranks} of ${microBatches}`,
      String(groups),
      range(totalOf(sentFrom), totalOf(sentTo), bytes),
      bytes(sums),
      bytes(buffers),
      ...(seconds === null ? [] : [range(seconds.from, seconds.to, secondsText)]),
    ];
  };
  const speed = bandwidth === null ? [] : [`at ${bandwidth} GB/s`];
  const note =
    'sent: by each rank in a step, which receives as much; of groups that draw, the mean. sums: kept in the memory above. ' +
    `buffers: beside it, of the host or, over NCCL, of the device.${bandwidth === null ? '' : ' Times: nothing else going on, no latency.'}`;
  return [
    onStdout.title(`exchange of ${counted(ranks, 'rank')}, by rank and step`),
    table([['stage', 'micro-batches', 'groups', 'sent', 'sums', 'buffers', ...speed], ...stages.map(row)]),
    wrapped(note, '  ', '  '),
  ].join('\n');
}

function range(from: number, to: number, text: (value: number) => string): string {
  return text(from) === text(to) ? text(from) : `${text(from)}..${text(to)}`;
}

const secondsText = (seconds: number) =>
  seconds < 1 ? `${(1000 * seconds).toPrecision(3)} ms` : `${seconds.toPrecision(3)} s`;
