// How fast a CUDA device runs the ops of a training step, and its peaks: the end of a self-check.

import { describeMachine, type Machine } from '../bench/machine.ts';
import { benchOps, type OpEntry } from '../bench/op-bench.ts';
import type { OpModelName } from '../bench/op-shapes.ts';
import { runsOnHost, type Target } from '../bench/target.ts';

export interface MeasuredSpeed {
  machine: Machine;
  models: { settings: SpeedSettings; entries: OpEntry[] }[];
}

export interface SpeedSettings extends Target {
  model: OpModelName;
  precision: 'bf16';
  rounds: number;
  cold: true;
}

/** Of ops with cold caches, as they are in a step. Where kernels run on the host, of tiny ones: that it works is all it shows. */
export async function measureSpeed(target: Target, onProgress?: (text: string) => void): Promise<MeasuredSpeed> {
  const isTiny = runsOnHost(target);
  onProgress?.('speed: peak');
  const machine = await describeMachine(target, isTiny);
  const models: MeasuredSpeed['models'] = [];
  for (const model of isTiny ? (['tiny'] as const) : (['gpt2-16x1024', 'tinyllama-8x2048'] as const)) {
    const settings: SpeedSettings = { ...target, model, precision: 'bf16', rounds: isTiny ? 1 : 10, cold: true };
    const progress = (text: string) => onProgress?.(`speed: ${model} ${text}`);
    const entries = await benchOps({ ...settings, machine, onProgress: progress });
    models.push({ settings, entries: entries! });
  }
  return { machine, models };
}
