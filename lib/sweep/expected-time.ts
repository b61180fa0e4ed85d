// How long a sweep will take: by the FLOPs per second of its finished runs, else of the machine at best.

import { measurePeak } from '../addon/peak.ts';
import { flopsUpTo } from '../est/plan.ts';
import { chooseDevice } from '../model/device.ts';
import type { Outcome } from './run-status.ts';

export interface ExpectedTime {
  /** All FLOPs that are left. */
  flops: number;
  /** null where nothing is known to go by. */
  seconds: number | null;
  flopsPerSecond: number | null;
  /** finished: what finished runs reached, so many of which run at a time. peak: what no run reaches, so it takes longer. */
  from: 'finished' | 'peak' | null;
}

/** What a run has executed and will not execute again. */
export function doneFlops({ run: { plan }, status }: Outcome): number {
  if (status.state === 'complete') return plan.allFlops;
  return 'step' in status ? flopsUpTo(plan, status.step) : 0;
}

/** Measures the peak, in under half a second, where no run is finished. */
export async function expectedTime(
  outcomes: readonly Outcome[],
  { parallel, threads }: { parallel: number; threads: number },
): Promise<ExpectedTime> {
  const flops = outcomes.reduce((sum, outcome) => sum + outcome.run.plan.allFlops - doneFlops(outcome), 0);
  const done = outcomes.flatMap(({ status }) => (status.state === 'complete' ? [status.result] : []));
  const seconds = done.reduce((sum, result) => sum + result.seconds, 0);
  if (seconds > 0) {
    const rate = (parallel * done.reduce((sum, result) => sum + result.allFlops, 0)) / seconds;
    return { flops, seconds: flops / rate, flopsPerSecond: rate, from: 'finished' };
  }
  const { device, precision } = outcomes[0]!.run.config;
  if (chooseDevice(device).backend !== 'cpu') return { flops, seconds: null, flopsPerSecond: null, from: null };
  const peak = await measurePeak(parallel * threads);
  const rate = precision === 'bf16' ? peak.bf16FlopsPerSecond : peak.flopsPerSecond;
  return { flops, seconds: flops / rate, flopsPerSecond: rate, from: 'peak' };
}
