// Single ops as a training step calls them, at several rates in turn: time, throughput, and how much of the skipped work
// becomes time.

import type { NativeOp, NativeOpShape, NativeOpTiming } from '../addon/binding.ts';
import { loadAddon, native } from '../addon/load.ts';
import type { Machine } from './machine.ts';
import { type OpCase, type OpModelName, opCases, opModels, selectCases } from './op-shapes.ts';
import type { BenchEntry } from './result-file.ts';
import { pairedRatio, type Spread, skipEfficiency, spreadOf } from './statistics.ts';
import { isCuda, nativeOptions, type Target, targetKey } from './target.ts';

export interface OpEntry extends BenchEntry {
  op: NativeOp;
  what: string;
  rate: number;
  shape: NativeOpShape;
  ms: Spread;
  /** Of one call; 0 for ops that are not counted as FLOPs. */
  flops: number;
  /** That one call must at least move. */
  bytes: number;
  /**
   * Of the fp32 or bf16 peak of the same run. Where there are no FLOPs: of its copy bandwidth, or with cold caches of a
   * copy of as many bytes in the same rounds.
   */
  shareOfPeak: number;
  /** Time against rate 1 in the same rounds; and FLOPs (bytes where there are none) against rate 1. */
  timeRatio: Spread;
  workRatio: number;
  /** Time saved over work saved; null at rate 1. */
  skipEfficiency: number | null;
  /** Largest difference from the reference, relative to the size of the results. */
  error: number;
}

export interface OpBenchOptions extends Target {
  /** An op's name or the word that several begin with; default all. */
  op?: string;
  model: OpModelName;
  /** In place of the model's. */
  vocabSize?: number;
  precision: 'float32' | 'bf16';
  /** Timed repetitions of each op and rate, 1 to 10000. */
  rounds: number;
  /** Whether caches are evicted before every repetition. */
  cold: boolean;
  /** Whose peaks are the denominators. */
  machine: Machine;
  signal?: AbortSignal;
  onProgress?: (text: string) => void;
}

/**
 * Measures the ops one after another, the rates of each in turn.
 * @returns entries in the order of a step; undefined when the signal stopped it.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG, ERR_BURGEON_BACKEND (also when a result is wrong), ERR_BURGEON_OUT_OF_MEMORY.
 */
export async function benchOps(options: OpBenchOptions): Promise<OpEntry[] | undefined> {
  const { model, vocabSize = opModels[model].vocabSize, precision, rounds, cold, signal, onProgress } = options;
  const cases = selectCases(opCases({ ...opModels[model], vocabSize }, isCuda(options)), options.op);
  const entries: OpEntry[] = [];
  for (const [i, { op, what, variants }] of cases.entries()) {
    if (signal?.aborted) return undefined;
    onProgress?.(`${op} (${i + 1} of ${cases.length})`);
    const timings = await native(() =>
      loadAddon().binding.benchOpInTurn(
        { ...nativeOptions(options), op, precision, rounds, cold },
        variants.map(({ shape }) => shape),
      ),
    );
    entries.push(...describeCase({ op, what, variants }, timings, options));
  }
  return signal?.aborted ? undefined : entries;
}

/** The entries of one op. `timings` are those of its variants, of which the first is rate 1. */
export function describeCase(
  { op, what, variants }: OpCase,
  timings: readonly NativeOpTiming[],
  options: Pick<OpBenchOptions, 'model' | 'vocabSize' | 'precision' | 'device' | 'threads' | 'cold' | 'machine'>,
): OpEntry[] {
  const { model, vocabSize = opModels[model].vocabSize, precision, cold, machine } = options;
  const vocabulary = vocabSize === opModels[model].vocabSize ? '' : ` V=${vocabSize}`;
  const full = timings[0]!;
  const peakGflops = precision === 'bf16' ? machine.peakBf16Gflops : machine.peakGflops;
  return timings.map((timing, i) => {
    const { rate, shape } = variants[i]!;
    const ms = spreadOf(timing.ms);
    const work = full.flops > 0 ? timing.flops / full.flops : timing.bytes / full.bytes;
    const timeRatio = pairedRatio(timing.ms, full.ms);
    return {
      key: `${model}${vocabulary} ${op} rate=${rate} ${precision} ${targetKey(options)} ${cold ? 'cold' : 'warm'}`,
      unit: 'ms',
      samples: timing.ms,
      op,
      what,
      rate,
      // Of the tokens those that were taken.
      shape: shape.n === undefined ? shape : { ...shape, n: timing.n },
      ms,
      flops: timing.flops,
      bytes: timing.bytes,
      shareOfPeak:
        timing.flops > 0
          ? timing.flops / ms.median / 1e6 / peakGflops
          : cold
            ? pairedRatio(timing.copyMs, timing.ms).median
            : timing.bytes / ms.median / 1e6 / machine.copyGBs,
      timeRatio,
      workRatio: work,
      skipEfficiency: skipEfficiency(timeRatio.median, work),
      error: timing.error,
    };
  });
}
