// Final losses over what the runs took: the dense runs as a curve, each other group as a point. How far a point lies to the
// left of the curve is its compute gain.

import type uPlot from 'uplot';
import type { Comparison } from '../compare-runs.ts';
import { groupName } from '../comparison-text.ts';
import { type CurvePoint, type GainBudget, gainAt } from '../compute-gain.ts';
import type { CurveGroup, GainComparison, GainGroup } from '../gain-comparison.ts';
import { gainText } from '../gain-text.ts';
import { Chart, type Curve } from './chart.ts';
import { cssColor } from './dom.ts';
import type { GroupLook } from './group-curves.ts';
import { boxAround, freePlace, type Place } from './label-places.ts';
import type { View } from './view.ts';

/** Over block FLOPs, or all where the metrics of earlier versions do not say; undefined without either. */
export function createGainChart(
  { gain, unit }: Comparison,
  looks: ReadonlyMap<string, GroupLook>,
  view: View,
  onToggle: (label: string) => void,
): Chart | undefined {
  const budget = (['executedBlockFlops', 'executedFlops'] as const).find((one) => gain?.curves[one]);
  const line = budget && gain?.curves[budget];
  if (!gain || !budget || !line) return undefined;
  const chart = new Chart({
    id: 'gain',
    title: `Final held-out loss over ${budget === 'executedBlockFlops' ? 'block FLOPs' : 'FLOPs'}`,
    yLabel: `loss (${unit})`,
    height: 380,
    format: (value) => value.toFixed(4),
    empty: 'No final losses.',
    logAxis: budget,
    overlay: (plot) => drawOverlay(plot, gain, budget, line, view),
    onToggle,
  });
  const dense: Curve = {
    label: 'dense training',
    color: '--muted',
    kind: 'line',
    x: line.map((point) => point.budget),
    y: line.map(({ loss }) => loss),
  };
  const points = [...gain.lengths, ...gain.groups].flatMap(({ name, runs, loss, spent }): Curve[] => {
    const at = spent[budget];
    const look = looks.get(name);
    return at && look
      ? [{ ...look, label: groupName({ name, runs }), kind: 'point', x: [at.mean], y: [loss.mean] }]
      : [];
  });
  chart.draw([dense, ...points], [], view);
  return chart;
}

/** A group where it is drawn. */
interface Mark extends Place {
  group: CurveGroup | GainGroup;
  /** What dense training needs for its loss; undefined of groups on the curve. */
  needed: number | undefined;
  isLeft: boolean;
}

/** Names beside the points, what seeds make of them, and the way from each point to the curve. */
function drawOverlay(
  plot: uPlot,
  gain: GainComparison,
  budget: GainBudget,
  line: readonly CurvePoint[],
  view: View,
): void {
  const { ctx, bbox } = plot;
  const marks = [...gain.lengths, ...gain.groups].flatMap((group): Mark[] => {
    const at = group.spent[budget]?.mean;
    if (at === undefined || view.hidden.has(groupName(group))) return [];
    const reach = 'gain' in group ? needed(line, group) : undefined;
    const [x, y] = [plot.valToPos(at, 'x', true), plot.valToPos(group.loss.mean, 'y', true)];
    // A gain leads to the right, so its name is on the left; that of a length is below the curve.
    return [{ group, x, y, needed: reach, isLeft: reach === undefined || reach > at }];
  });
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.strokeStyle = cssColor('--muted');
  ctx.lineWidth = devicePixelRatio;
  for (const { group, x, y, needed: reach } of marks) {
    const { mean, spread } = group.loss;
    if (spread !== null) {
      const [top, bottom] = [mean + spread, mean - spread].map((loss) => plot.valToPos(loss, 'y', true));
      stroke(ctx, [x, top!], [x, bottom!]);
    }
    if (reach === undefined) continue;
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    stroke(ctx, [x, y], [plot.valToPos(reach, 'x', true), y]);
    ctx.setLineDash([]);
  }
  drawNames(plot, marks, budget);
  ctx.restore();
}

function drawNames({ ctx, bbox }: uPlot, marks: readonly Mark[], budget: GainBudget): void {
  const ratio = devicePixelRatio;
  const taken = marks.map(({ x, y }) => boxAround({ x, y }, 7 * ratio));
  Object.assign(ctx, { font: `${12 * ratio}px system-ui, sans-serif`, textBaseline: 'middle', textAlign: 'left' });
  // The others first: their names matter more than the lengths on the curve.
  for (const { group, isLeft, ...at } of marks.toReversed()) {
    const isGain = 'gain' in group;
    const texts = isGain ? gainLabels(group, budget) : [`${group.steps} steps`];
    const widths = texts.map((text) => ctx.measureText(text).width);
    const found = freePlace(at, widths, isLeft, bbox, taken);
    if (!found) continue;
    const { box } = found;
    taken.push(box);
    const middle = (box.top + box.bottom) / 2;
    const edge = box.right < at.x ? box.right : box.left > at.x ? box.left : at.x;
    if (Math.abs(middle - at.y) > box.bottom - box.top) stroke(ctx, [at.x, at.y], [edge, middle]);
    // A rim, so that it stays legible on a line.
    Object.assign(ctx, { strokeStyle: cssColor('--card'), lineWidth: 4 * ratio, lineJoin: 'round' });
    ctx.strokeText(texts[found.index]!, box.left, middle);
    ctx.fillStyle = cssColor(isGain ? '--ink' : '--muted');
    ctx.fillText(texts[found.index]!, box.left, middle);
    Object.assign(ctx, { strokeStyle: cssColor('--muted'), lineWidth: ratio });
  }
}

/** From the longest, which needs most room. */
function gainLabels({ name, gain }: GainGroup, budget: GainBudget): string[] {
  const text = gainText(gain[budget]);
  return [`${name}: gain ${text}`, `${name}: ${text.split(' ±')[0]}`, name];
}

function stroke(ctx: CanvasRenderingContext2D, from: [number, number], to: [number, number]): void {
  ctx.beginPath();
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.stroke();
}

/** What dense training needs for the loss of a group, or the end of the curve where that lies beyond it. */
function needed(line: readonly CurvePoint[], { loss }: GainGroup): number {
  return gainAt(line, loss.mean, 1).factor;
}
