// Does a device compute what it should? Ops and whole steps against the float64 reference, and the laws of skipping.

import type { Device } from '../config/device.ts';
import { counted } from '../format.ts';
import { checkCases, firstHalfOf, halfOf } from './cases.ts';
import {
  againstReference,
  compactIsMasked,
  generation,
  kernelsFollowLayers,
  type Measurement,
  nanPoison,
  type TrainingOptions,
  trainOnText,
} from './checks.ts';
import { ncclOfOneRank, ncclProblem } from './nccl.ts';
import { opAgainstReference, opChecks } from './op-checks.ts';

export interface CheckRow {
  name: string;
  /** 'not run' says why, and counts as no pass. */
  result: 'passed' | 'failed' | 'not run';
  /** Null where the check could not run. */
  measured: number | null;
  bound: number | null;
  /** Whether the bound is the least that is right, rather than the most. */
  isLeast: boolean;
  reason?: string;
}

export interface SelfCheckOptions {
  device: Device;
  /** Tiny shapes only. */
  isQuick: boolean;
  onProgress?: (name: string) => void;
}

const unmeasured = { measured: null, bound: null, isLeast: false };

/** All checks, one after another; one that throws is a failed row. */
export async function selfCheck({ device, isQuick, onProgress }: SelfCheckOptions): Promise<CheckRow[]> {
  const rows: CheckRow[] = [];
  const run = async (name: string, measure: () => Promise<Measurement[]>) => {
    onProgress?.(name);
    try {
      for (const { what, measured, bound, isLeast = false } of await measure()) {
        const isRight = isLeast ? measured >= bound : measured <= bound;
        rows.push({ name: `${name}: ${what}`, result: isRight ? 'passed' : 'failed', measured, bound, isLeast });
      }
    } catch (error) {
      const reason = (error as Error).message;
      rows.push({ ...unmeasured, name, result: 'failed', reason });
    }
  };
  for (const check of opChecks(device, isQuick)) {
    for (const precision of ['float32', 'bf16'] as const) {
      await run(`op ${check.op}, ${precision}`, () => opAgainstReference(check, device, precision));
    }
  }
  for (const check of checkCases(isQuick)) {
    const dense = [{ sequences: check.batchSize }];
    // Every sequence on a subnetwork of its own.
    const sampled = Array.from({ length: check.batchSize }, (_, group) => ({
      sequences: 1,
      subnetwork: halfOf(check.config, group),
    }));
    const first = [{ sequences: check.batchSize, subnetwork: firstHalfOf(check.config) }];
    for (const precision of ['float32', 'bf16'] as const) {
      const name = `${check.name}, ${precision}`;
      await run(`step, ${name}, dense`, () => againstReference(check, dense, device, precision));
      await run(`step, ${name}, sampled`, () => againstReference(check, sampled, device, precision));
      await run(`step, ${name}, first units`, () => againstReference(check, first, device, precision));
      await run(`NaN poison, ${name}`, () => nanPoison(check, halfOf(check.config), device, precision));
      await run(`NaN poison, ${name}, first units`, () =>
        nanPoison(check, firstHalfOf(check.config), device, precision),
      );
    }
    await run(`compact = masked, ${check.name}`, () => compactIsMasked(check, device));
    await run(`generation, ${check.name}`, () => generation(check, device));
  }
  if (device.startsWith('cuda')) {
    for (const precision of ['float32', 'bf16'] as const) {
      await run(`skipping, ${precision}`, () => kernelsFollowLayers(device, precision));
    }
    const missing = ncclProblem();
    if (missing === undefined) await run('NCCL, one rank', () => ncclOfOneRank(device));
    else rows.push({ ...unmeasured, name: 'NCCL, one rank', result: 'not run', reason: missing });
  }
  // The CPU engine cannot be its own measure, and the reference takes seconds a step.
  const steps = isQuick ? 4 : device === 'cpu' ? 6 : 30;
  const judge: Device = device === 'cpu' ? 'reference' : 'cpu';
  for (const precision of ['float32', 'bf16'] as const) {
    await run(`${counted(steps, 'step')} on text, ${precision}`, async () => {
      const settings: TrainingOptions = { device, precision, steps, isQuick };
      const straight = await trainOnText(settings);
      const again = await trainOnText(settings);
      const continued = await trainOnText({ ...settings, isMoved: true });
      const expected = await trainOnText({ ...settings, device: judge, precision: 'float32' });
      const off = straight.losses.map((loss, i) => Math.abs(loss - expected.losses[i]!) / expected.losses[i]!);
      const isCuda = device.startsWith('cuda');
      const launched = isCuda ? await trainOnText({ ...settings, graphs: false }) : straight;
      return [
        {
          what: `loss beside ${judge}, relative`,
          measured: Math.max(...off),
          bound: precision === 'bf16' ? 2e-2 : 1e-3,
        },
        { what: 'bits differ when run again', measured: Number(again.bits !== straight.bits), bound: 0 },
        { what: 'bits differ when continued', measured: Number(continued.bits !== straight.bits), bound: 0 },
        ...(isCuda
          ? [{ what: 'bits differ without graphs', measured: Number(launched.bits !== straight.bits), bound: 0 }]
          : []),
      ];
    });
  }
  return rows;
}
