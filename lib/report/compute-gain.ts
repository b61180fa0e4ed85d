// The compute gain: what dense training needs for the loss that a run ends with, over what the run took. Dense runs of
// several lengths, each with a learning rate schedule of its own, make the curve of what dense training reaches; beyond
// its ends nothing is claimed. A run is one point, its final loss: on the way, while the learning rate is high, losses
// of runs of different lengths mean different things. docs/method.md, "Compute gain". Pure.

import { firstBelow } from './curves.ts';
import { type MeanAndSpread, meanAndSpread } from './mean-and-spread.ts';
import type { RunData } from './run-data.ts';

/** What a gain can be in: FLOPs of attention and MLP of the layers, all FLOPs, seconds of training. */
export const gainBudgets = ['executedBlockFlops', 'executedFlops', 'trainSeconds'] as const;
export type GainBudget = (typeof gainBudgets)[number];

/** A run that did all its steps. */
export interface FinishedRun {
  name: string;
  seed: number | undefined;
  steps: number;
  /** Held out, after the last step. */
  loss: number;
  /** null where its metrics do not say. */
  spent: Record<GainBudget, number | null>;
}

export interface CurvePoint {
  budget: number;
  loss: number;
}

/** Ascending budgets with losses that never rise; null where a run's budget is not known. */
export type Curves = Record<GainBudget, readonly CurvePoint[] | null>;

/** Dense runs of one length. */
export interface DenseLength {
  steps: number;
  runs: string[];
  loss: MeanAndSpread;
  spent: Record<GainBudget, MeanAndSpread | null>;
}

export interface DenseCurve {
  /** Ascending steps. */
  lengths: DenseLength[];
  /** Of the mean loss of each length. */
  mean: Curves;
  /** Of each seed that has a run of every length. */
  seeds: { seed: number; curves: Curves }[];
}

/** `more than` and `less than`: the loss lies beyond the curve, and the factor is that of its end. */
export interface Gain {
  kind: 'exact' | 'more than' | 'less than';
  factor: number;
}

/** Mean factor over runs; of another kind than `exact` where one of them is. The spread is that of exact factors only. */
export type MeanGain = MeanAndSpread & Pick<Gain, 'kind'>;

export interface GroupGain {
  runs: {
    name: string;
    seed: number | undefined;
    /** Whether it stands against dense runs of its own seed, not the mean of all. */
    isPaired: boolean;
    gain: Record<GainBudget, Gain | null>;
  }[];
  /** null where it is not known of a run, or runs lie beyond both ends of the curve. */
  gain: Record<GainBudget, MeanGain | null>;
}

/**
 * The run as one point; undefined when it has not done all its steps, was not evaluated after the last, or was changed on the
 * way: then no configuration says how it came to its loss.
 */
export function finishedRun({ name, start, validation, changes }: RunData): FinishedRun | undefined {
  if (changes.length > 0) return undefined;
  const last = validation.step.length - 1;
  const loss = validation.loss[last];
  if (start === undefined || typeof loss !== 'number' || validation.step[last] !== start.config.steps) return undefined;
  const { seed, steps } = start.config;
  return { name, seed, steps, loss, spent: perBudget((budget) => validation[budget][last] ?? null) };
}

/**
 * @param runs dense runs that differ in steps and seed only.
 * @returns undefined for fewer than two lengths.
 */
export function denseCurve(runs: readonly FinishedRun[]): DenseCurve | undefined {
  const steps = [...new Set(runs.map((run) => run.steps))].sort((a, b) => a - b);
  if (steps.length < 2) return undefined;
  const byLength = steps.map((length) => runs.filter((run) => run.steps === length));
  const lengths = byLength.map((group, i): DenseLength => ({ steps: steps[i]!, ...pointOf(group) }));
  const seeds = [...new Set(runs.map(({ seed }) => seed))].flatMap((seed) => {
    const ofSeed = byLength.map((group) => group.filter((run) => run.seed === seed));
    if (seed === undefined || ofSeed.some((group) => group.length === 0)) return [];
    return [{ seed, curves: curvesThrough(ofSeed.map(pointOf)) }];
  });
  return { lengths, mean: curvesThrough(lengths), seeds };
}

/**
 * The gain of runs of one configuration: each against the dense runs of its own seed where there is one of every length,
 * else against the mean of all seeds.
 */
export function computeGain(curve: DenseCurve, runs: readonly FinishedRun[]): GroupGain {
  const each = runs.map(({ name, seed, loss, spent }) => {
    const own = curve.seeds.find((other) => other.seed === seed)?.curves;
    const gain = perBudget((budget) => {
      const [points, taken] = [(own ?? curve.mean)[budget], spent[budget]];
      return points === null || taken === null ? null : gainAt(points, loss, taken);
    });
    return { name, seed, isPaired: own !== undefined, gain };
  });
  return { runs: each, gain: perBudget((budget) => meanGain(each.map(({ gain }) => gain[budget]))) };
}

/**
 * Losses that never rise with the budget: isotonic regression, least squares weighted by the number of runs, by pooling
 * neighbours that rise (pool adjacent violators; Barlow et al. 1972).
 * @param points in any order.
 */
export function monotone(points: readonly (CurvePoint & { weight: number })[]): CurvePoint[] {
  const pools: { budgets: number[]; loss: number; weight: number }[] = [];
  for (const { budget, loss, weight } of points.toSorted((a, b) => a.budget - b.budget)) {
    let pool = { budgets: [budget], loss, weight };
    for (let before = pools.at(-1); before && before.loss < pool.loss; before = pools.at(-1)) {
      pools.pop();
      const sum = before.weight + pool.weight;
      pool = {
        budgets: [...before.budgets, ...pool.budgets],
        loss: (before.loss * before.weight + pool.loss * pool.weight) / sum,
        weight: sum,
      };
    }
    pools.push(pool);
  }
  return pools.flatMap(({ budgets, loss }) => budgets.map((budget) => ({ budget, loss })));
}

/**
 * What the curve needs for a loss, over what was taken. Between points the loss is linear in the logarithm of the budget;
 * where the curve is flat, the smallest budget counts.
 */
export function gainAt(curve: readonly CurvePoint[], loss: number, taken: number): Gain {
  const [first, last] = [curve[0]!, curve.at(-1)!];
  if (loss > first.loss) return { kind: 'less than', factor: first.budget / taken };
  if (loss < last.loss) return { kind: 'more than', factor: last.budget / taken };
  const logs = curve.map(({ budget }) => Math.log(budget));
  const losses = curve.map((point) => point.loss);
  return { kind: 'exact', factor: Math.exp(firstBelow(logs, losses, loss)! - Math.log(taken)) };
}

/** A value for each budget. */
export function perBudget<Value>(of: (budget: GainBudget) => Value): Record<GainBudget, Value> {
  return Object.fromEntries(gainBudgets.map((budget) => [budget, of(budget)])) as Record<GainBudget, Value>;
}

/** What runs of one configuration took, and the loss they ended with. */
export function pointOf(runs: readonly FinishedRun[]): Omit<DenseLength, 'steps'> {
  return {
    runs: runs.map(({ name }) => name),
    loss: meanAndSpread(runs.map(({ loss }) => loss)),
    spent: perBudget((budget) => {
      const values = runs.map(({ spent }) => spent[budget]);
      return values.includes(null) ? null : meanAndSpread(values as number[]);
    }),
  };
}

function curvesThrough(lengths: readonly Pick<DenseLength, 'loss' | 'spent'>[]): Curves {
  return perBudget((budget) => {
    const points = lengths.flatMap(({ loss, spent }) => {
      const mean = spent[budget]?.mean;
      return mean === undefined ? [] : [{ budget: mean, loss: loss.mean, weight: loss.n }];
    });
    return points.length < lengths.length ? null : monotone(points);
  });
}

function meanGain(gains: readonly (Gain | null)[]): MeanGain | null {
  const known = gains.filter((gain) => gain !== null);
  if (known.length === 0 || known.length < gains.length) return null;
  const beyond = new Set(known.map(({ kind }) => kind).filter((kind) => kind !== 'exact'));
  if (beyond.size > 1) return null;
  const [kind = 'exact'] = beyond;
  const { mean, spread, n } = meanAndSpread(known.map(({ factor }) => factor));
  return { kind, mean, spread: kind === 'exact' ? spread : null, n };
}
