// One chart: a title, a line that reads off the values at the cursor, and uPlot. Charts on a page share their x axis and
// cursor. Arrow keys move the cursor when the chart has the focus.

import uPlot from 'uplot';
import { count, duration } from '../../format.ts';
import type { Axis } from '../run-data.ts';
import { cssColor, fill, h } from './dom.ts';
import type { View } from './view.ts';

export interface Curve {
  label: string;
  /** Name of a colour in the style sheet. */
  color: string;
  x: readonly (number | null)[];
  y: readonly (number | null)[];
  kind: 'raw' | 'line' | 'strong';
}

/** A stretch of the x axis with a name. */
export interface Band {
  from: number;
  to: number;
  label: string;
}

export interface ChartOptions {
  id: string;
  title: string;
  height: number;
  /** A value for people. */
  format: (value: number) => string;
  /** A value beside the axis. Default: `format`. */
  tick?: (value: number) => string;
  /** Whether the scale of the view may be logarithmic here. */
  hasLog?: boolean;
  /** Whether y begins at zero. */
  fromZero?: boolean;
}

export const axisNames: Record<Axis, string> = {
  step: 'step',
  tokens: 'tokens',
  executedFlops: 'executed FLOPs',
  trainSeconds: 'seconds of training',
};

export function axisValue(axis: Axis, value: number): string {
  if (axis === 'trainSeconds') return value === 0 ? '0' : duration(1000 * value);
  return axis === 'executedFlops' ? `${count(value)}` : count(value);
}

const styles = { raw: { alpha: 0.3, width: 1 }, line: { alpha: 1, width: 1.5 }, strong: { alpha: 1, width: 2.5 } };

export class Chart {
  readonly element: HTMLElement;
  readonly #options: ChartOptions;
  readonly #plot: HTMLElement;
  readonly #readout: HTMLElement;
  #uplot: uPlot | undefined;
  #curves: Curve[] = [];
  #bands: Band[] = [];
  #view: View | undefined;
  /** What the plot was made for: it is made anew when this changes. */
  #made = '';

  constructor(options: ChartOptions) {
    this.#options = options;
    this.#plot = h('div', {
      class: 'plot',
      tabindex: 0,
      role: 'img',
      keydown: (event) => this.#onKey(event as KeyboardEvent),
    });
    this.#readout = h('p', { class: 'readout' });
    this.element = h(
      'section',
      { class: 'chart', id: options.id },
      h('h2', {}, options.title),
      this.#readout,
      this.#plot,
    );
    new ResizeObserver(() => this.#uplot?.setSize(this.#size())).observe(this.#plot);
  }

  /** The uPlot instance. */
  get uplot(): uPlot | undefined {
    return this.#uplot;
  }

  draw(curves: readonly Curve[], bands: readonly Band[], view: View): void {
    this.#curves = curves.filter(({ y }) => y.some((value) => value !== null));
    this.#bands = [...bands];
    this.#view = view;
    this.element.hidden = this.#curves.length === 0;
    if (this.element.hidden) return;
    const data = uPlot.join(this.#curves.map(({ x, y }) => [[...x], [...y]] as uPlot.AlignedData));
    const made = JSON.stringify([
      view.axis,
      this.#isLog(),
      this.#curves.map(({ label, kind, color }) => [label, kind, color]),
    ]);
    if (this.#uplot && this.#made === made) this.#renew(this.#uplot, data);
    else {
      this.#uplot?.destroy();
      this.#uplot = new uPlot(this.#uplotOptions(), data, this.#plot);
      Object.assign(this.element, { uplot: this.#uplot });
      this.#made = made;
    }
    this.#describe();
    this.#read(this.#uplot.cursor.idx ?? null);
  }

  /** New points; whoever has zoomed in stays there. */
  #renew(plot: uPlot, data: uPlot.AlignedData): void {
    const [old, { min, max }] = [plot.data[0], plot.scales.x!];
    const isZoomed = (min ?? -Infinity) > old[0]! || (max ?? Infinity) < old[old.length - 1]!;
    plot.setData(data, !isZoomed);
    if (isZoomed) plot.redraw();
  }

  /** After a change of colours. */
  redraw(): void {
    this.#made = '';
    if (this.#view) this.draw(this.#curves, this.#bands, this.#view);
  }

  #isLog(): boolean {
    return this.#options.hasLog === true && this.#view?.scale === 'log';
  }

  #size(): { width: number; height: number } {
    return { width: Math.max(200, this.#plot.clientWidth), height: this.#options.height };
  }

  #uplotOptions(): uPlot.Options {
    const { format, tick = format, fromZero, height } = this.#options;
    const isLog = this.#isLog();
    const axis = this.#view!.axis;
    const stroke = cssColor('--muted');
    const grid = { stroke: cssColor('--grid'), width: 1 };
    const font = '12px system-ui, sans-serif';
    return {
      ...this.#size(),
      legend: { show: false },
      cursor: { sync: { key: 'page' }, y: false, points: { size: 6 }, drag: { x: true, y: false } },
      scales: {
        x: { time: false },
        y: isLog
          ? { distr: 3, range: (_, low, high) => (low > 0 ? [low / 1.05, high * 1.05] : [1, 10]) }
          : { range: (_, low, high) => (fromZero ? [0, high * 1.08 || 1] : padded(low, high)) },
      },
      axes: [
        {
          stroke,
          grid,
          ticks: grid,
          font,
          space: 70,
          size: 30,
          values: (_, splits) => splits.map((value) => axisValue(axis, value)),
        },
        {
          stroke,
          grid,
          ticks: grid,
          font,
          size: (_, values) => 18 + 7 * Math.max(...(values ?? ['']).map((text) => text.length)),
          space: height > 250 ? 40 : 30,
          ...(isLog
            ? {
                splits: (_: uPlot, __: number, low: number, high: number) => logTicks(low, high),
                filter: (_: uPlot, splits: number[]) => splits,
              }
            : {}),
          values: (_, splits) => splits.map((value) => tick(value)),
        },
      ],
      series: [
        {},
        ...this.#curves.map(
          ({ label, color, kind, x }): uPlot.Series => ({
            label,
            stroke: cssColor(color),
            ...styles[kind],
            spanGaps: true,
            points: { show: kind === 'strong' && x.length <= 60, size: 5 },
          }),
        ),
      ],
      hooks: {
        drawClear: [(plot) => this.#drawBands(plot)],
        setCursor: [(plot) => this.#read(plot.cursor.idx ?? null)],
      },
    };
  }

  #drawBands(plot: uPlot): void {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.textAlign = 'left';
    ctx.textBaseline = 'alphabetic';
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    for (const [i, { from, to, label }] of this.#bands.entries()) {
      const [left, right] = [from, to].map((value) => plot.valToPos(value, 'x', true)) as [number, number];
      ctx.fillStyle = cssColor(i % 2 === 0 ? '--band' : '--band-other');
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
      ctx.fillStyle = cssColor('--muted');
      const shown = Math.max(left, bbox.left);
      if (this.#options.height < 250) continue;
      if (ctx.measureText(label).width + 8 < right - shown)
        ctx.fillText(label, shown + 6, bbox.top + 16 * devicePixelRatio);
    }
    ctx.restore();
  }

  /** What a reader without eyes on the picture gets. */
  #describe(): void {
    const { title, format } = this.#options;
    const parts = this.#curves.flatMap(({ label, y, kind }) => {
      const last = y.findLast((value) => value !== null);
      return kind === 'raw' || last === undefined || last === null ? [] : [`${label} ${format(last)}`];
    });
    this.#plot.setAttribute('aria-label', `${title}, at the end: ${parts.join(', ')}`);
  }

  /** Reads off the values at an index; without one, names the curves. */
  #read(index: number | null): void {
    const plot = this.#uplot;
    if (!plot) return;
    const x = index === null ? undefined : plot.data[0][index];
    const entries = this.#curves.map(({ label, color, kind }, i) => {
      if (kind === 'raw' && this.#curves.some((other) => other.label === label && other !== this.#curves[i]))
        return undefined;
      const value = index === null ? undefined : nearest(plot.data[i + 1] as (number | null | undefined)[], index);
      if (label === '' && value === undefined) return undefined;
      return h(
        'span',
        { class: 'key' },
        h('i', { class: kind, style: `--color: var(${color})` }),
        value === undefined ? label : `${label} ${this.#options.format(value)}`.trim(),
      );
    });
    const place =
      typeof x === 'number' ? `${axisNames[this.#view!.axis]} ${axisValue(this.#view!.axis, x)}` : undefined;
    fill(this.#readout, ...entries, place && h('span', { class: 'place' }, place));
  }

  #onKey(event: KeyboardEvent): void {
    const plot = this.#uplot;
    const delta = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 }[event.key];
    if (!plot || delta === undefined) return;
    event.preventDefault();
    const last = plot.data[0].length - 1;
    const index = Math.min(last, Math.max(0, (plot.cursor.idx ?? last) + delta));
    plot.setCursor({ left: plot.valToPos(plot.data[0][index]!, 'x'), top: 10 });
  }
}

/** Round values between two, for a logarithmic axis. */
function logTicks(low: number, high: number): number[] {
  const ticks: number[] = [];
  if (!(low > 0)) return ticks;
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    for (const mantissa of [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8]) ticks.push(mantissa * 10 ** power);
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

/** A little room above and below; some where all values are the same. */
function padded(low: number, high: number): [number, number] {
  const room = high > low ? 0.06 * (high - low) : Math.abs(high) * 0.1 || 1;
  return [low - room, high + room];
}

/** The value at an index, or the last one before it: curves have their points at different places. */
function nearest(values: readonly (number | null | undefined)[], index: number): number | undefined {
  for (let i = index; i >= 0; i--) if (values[i] !== null && values[i] !== undefined) return values[i]!;
  return undefined;
}
