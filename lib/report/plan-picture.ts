// A plan as a picture: what a step costs along the run, and what has been saved so far; in characters and as SVG. Pure.

import type { PlanCurve } from '../est/plan-curve.ts';
import type { ResolvedStage } from '../est/schedule.ts';
import { count, percent } from '../format.ts';

const eighths = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** Columns of a drawing in characters. */
export const planColumns = 64;

/** Both curves as bars of characters, side by side with their scales. @param curve of `planColumns` points, or fewer. */
export function drawPlan(curve: PlanCurve): string {
  const last = curve.step.at(-1)!;
  const axis = `1${`step ${count(last)}`.padStart(curve.step.length - 1)}`;
  const panel = (title: string, values: readonly number[], top: number) => {
    const rows = bars(values, top, 4).map(
      (row, i) => `${(i === 0 ? percent(top, 0) : i === 3 ? '0 %' : '').padStart(7)} ${row}`,
    );
    return [`  ${title}`, ...rows, `${' '.repeat(8)}${axis}`].join('\n');
  };
  // The scale of the saving ends at the next 10 %.
  const most = Math.max(0.1, Math.ceil(10 * Math.max(...curve.saved) - 1e-9) / 10);
  return [
    panel('block FLOPs of a step, of a dense one', curve.blockRatio, 1),
    panel('block FLOPs saved so far, of the dense run', curve.saved, most),
  ].join('\n\n');
}

/** Rows from the top; each character is an eighth of its height or more. */
function bars(values: readonly number[], top: number, rows: number): string[] {
  return Array.from({ length: rows }, (_, i) =>
    values
      .map((value) => {
        const filled = Math.round(8 * rows * (value / top)) - 8 * (rows - 1 - i);
        return eighths[Math.min(8, Math.max(0, filled))]!;
      })
      .join('')
      .trimEnd(),
  );
}

const [width, panelHeight, left, right, topMargin, gap] = [860, 150, 62, 24, 56, 58];

/** An image for documents; follows the reader's light or dark theme. */
export function planSvg(title: string, curve: PlanCurve, stages: readonly ResolvedStage[]): string {
  const last = curve.step.at(-1)!;
  const plotWidth = width - left - right;
  const x = (step: number) => left + (plotWidth * step) / last;
  const most = Math.max(0.1, Math.ceil(10 * Math.max(...curve.saved) - 1e-9) / 10);
  const bottom = [topMargin + panelHeight, topMargin + 2 * panelHeight + gap];
  const y = (panel: 0 | 1, value: number) => bottom[panel]! - (panelHeight * value) / (panel === 0 ? 1 : most);
  const shown = stages.filter(({ startStep, endStep }) => startStep < endStep);
  const bands = shown.map(
    ({ startStep, endStep }, i) =>
      `<rect class="band${i % 2}" x="${f(x(startStep))}" y="${topMargin}" width="${f(x(endStep) - x(startStep))}" height="${2 * panelHeight + gap}"/>`,
  );
  const names = shown
    .filter(({ startStep, endStep }) => x(endStep) - x(startStep) > 60)
    .map(
      ({ startStep, index }) =>
        `<text class="note" x="${f(x(startStep) + 6)}" y="${topMargin + panelHeight + 18}">stage ${index + 1}</text>`,
    );
  const grid = ([0, 1] as const).flatMap((panel) =>
    [0, 0.5, 1].map((part) => {
      const value = part * (panel === 0 ? 1 : most);
      const at = f(y(panel, value));
      return `<line class="grid" x1="${left}" x2="${width - right}" y1="${at}" y2="${at}"/><text class="tick" x="${left - 8}" y="${f(y(panel, value) + 4)}">${percent(value, 0)}</text>`;
    }),
  );
  const steps = [0, 0.25, 0.5, 0.75, 1].map(
    (part) =>
      `<text class="step" x="${f(x(part * last))}" y="${bottom[1]! + 20}">${part === 0 ? 0 : count(part * last)}</text>`,
  );
  // A step lasts from its own number to the next: the cost is drawn in stairs, exact at the ends of stages.
  const stairs = curve.step.map(
    (step, i) =>
      `${i === 0 ? `M${f(x(0))}` : `H${f(x((step + curve.step[i - 1]!) / 2))}`} ${i === 0 ? '' : 'V'}${f(y(0, curve.blockRatio[i]!))}`,
  );
  const line = curve.step.map((step, i) => `${i === 0 ? 'M' : 'L'}${f(x(step))} ${f(y(1, curve.saved[i]!))}`);
  const final = curve.saved.at(-1)!;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bottom[1]! + 34}" font-family="system-ui, sans-serif" font-size="13">
<style>
:root { color-scheme: light dark; }
text { fill: #1d2126; } .note, .tick, .step { fill: #626a73; font-size: 12px; } .tick { text-anchor: end; } .step { text-anchor: middle; }
.grid { stroke: #d9dce0; } .band0 { fill: #2e7d50; opacity: 0.08; } .band1 { fill: #2e7d50; opacity: 0.02; }
.cost { fill: none; stroke: #2e7d50; stroke-width: 2; } .saved { fill: none; stroke: #c2570c; stroke-width: 2; } .paper { fill: #fcfcfa; }
@media (prefers-color-scheme: dark) {
text { fill: #e4e7ea; } .note, .tick, .step { fill: #9aa3ad; } .grid { stroke: #343a41; } .band0, .band1 { fill: #6cc793; }
.cost { stroke: #6cc793; } .saved { stroke: #f0a05a; } .paper { fill: #14171a; }
}
</style>
<rect class="paper" width="100%" height="100%"/>
<text x="${left}" y="22" font-weight="600">${escapeXml(title)}</text>
<text class="note" x="${left}" y="44">block FLOPs of a step, of a dense one</text>
<text class="note" x="${left}" y="${bottom[0]! + gap - 12}">block FLOPs saved so far, of the dense run: ${percent(final)} at the end</text>
${[...bands, ...grid, ...names, ...steps].join('\n')}
<path class="cost" d="${stairs.join('')}H${f(x(last))}"/>
<path class="saved" d="M${f(x(0))} ${f(y(1, 0))}${line.join('').replace(/^M/, 'L')}"/>
</svg>
`;
}

/** Tenths of a unit are enough. */
const f = (value: number) => String(Math.round(10 * value) / 10);

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
