// Runs of one configuration as one curve: of a single run its points, of several their mean and range.

import { meanAndRange, type Smoothing, smooth, weightOf } from '../curves.ts';
import type { RunData } from '../run-data.ts';
import type { Curve } from './chart.ts';

/** How a configuration looks everywhere on the page. */
export interface GroupLook {
  /** Name of a colour in the style sheet. */
  color: string;
  /** Tells configurations of the same colour apart. */
  isDashed: boolean;
}

export interface PageGroup extends GroupLook {
  /** With the number of seeds. */
  name: string;
  runs: RunData[];
}

/** Colours in the style sheet. */
const colors = 8;

/** The look of a group by its place. */
export function lookOf(index: number): GroupLook {
  return { color: `--run-${index % colors}`, isDashed: index % (2 * colors) >= colors };
}

/** Columns over which a curve is drawn. */
type Column = (run: RunData) => readonly (number | null)[];

export function groupCurve(
  { runs, color, isDashed }: PageGroup,
  { x, y, smoothing = 0 }: { x: Column; y: Column; smoothing?: Smoothing },
): Pick<Curve, 'x' | 'y' | 'range' | 'color' | 'isDashed'> {
  const smoothed = (values: readonly (number | null)[]) => {
    const weight = weightOf(smoothing, values.length);
    return weight > 0 ? smooth(values, weight) : values;
  };
  const curves = runs.map((run) => ({ x: x(run), y: smoothed(y(run)) }));
  if (curves.length === 1) return { ...curves[0]!, color, isDashed };
  const { x: places, mean, low, high } = meanAndRange(curves);
  return { x: places, y: mean, range: { low, high }, color, isDashed };
}
