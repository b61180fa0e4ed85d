// Names, values and ticks of axes.

import { count, duration } from '../../format.ts';
import type { Axis } from '../run-data.ts';
import type { TickKind } from './ticks.ts';

/** With the unit, where the values do not name it. */
export const axisNames: Record<Axis, string> = {
  step: 'step',
  tokens: 'tokens',
  executedBlockFlops: 'block FLOPs',
  executedFlops: 'FLOPs, with the output head',
  trainSeconds: 'time of training',
};

/** What a value on the axis is called where there is little room. */
export const shortAxisNames: Record<Axis, string> = {
  ...axisNames,
  executedFlops: 'all FLOPs',
  trainSeconds: 'time',
};

/** What the ticks of an axis are. */
export function axisKind(axis: Axis): TickKind {
  return axis === 'trainSeconds' ? 'time' : 'whole';
}

export function axisValue(axis: Axis, value: number): string {
  if (axis === 'step') return String(value);
  if (axis !== 'trainSeconds') return count(value);
  return value === 0 ? '0' : duration(1000 * value);
}

/** Steps between round values within a power of ten, finest first. */
const mantissas = [[1, 1.5, 2, 2.5, 3, 4, 5, 6, 8], [1, 2, 3, 5], [1, 2, 5], [1, 3], [1]];

/** Round values between two, for a logarithmic axis: as many as there is room for. */
export function logTicks(low: number, high: number, most: number): number[] {
  if (!(low > 0)) return [];
  let ticks: number[] = [];
  for (const steps of mantissas) {
    ticks = [];
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
      ticks.push(...steps.map((step) => step * 10 ** power).filter((tick) => tick >= low && tick <= high));
    }
    if (ticks.length <= most) break;
  }
  // Over more than a power of ten even steps crowd at its end.
  return ticks.length < 3 && most >= 3 && high < 10 * low ? evenTicks(low, high) : ticks;
}

/** Within a part of a power of ten: three to six multiples of a round step. */
function evenTicks(low: number, high: number): number[] {
  const power = 10 ** Math.floor(Math.log10((high - low) / 3));
  const step = [5, 2, 1].map((mantissa) => mantissa * power).find((size) => (high - low) / size >= 3) ?? power;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
}
