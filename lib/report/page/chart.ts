// One chart: a title, a legend that reads off the values at the cursor, and uPlot. Charts over the axis of the view share
// it and the cursor. Arrow keys move the cursor when the chart has the focus.

import uPlot from 'uplot';
import type { Axis } from '../run-data.ts';
import { axisKind, axisNames, axisValue, logTicks, shortAxisNames } from './axis-text.ts';
import { cssColor, h } from './dom.ts';
import { Legend } from './legend.ts';
import { type TickKind, tickSteps, tickTexts } from './ticks.ts';
import type { View } from './view.ts';

export interface Curve {
  label: string;
  /** Name of a colour in the style sheet. */
  color: string;
  isDashed?: boolean;
  x: readonly (number | null)[];
  y: readonly (number | null)[];
  /** The range of the runs that it is the mean of, at its x. */
  range?: { low: readonly number[]; high: readonly number[] };
  kind: keyof typeof styles;
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
  /** What y is, with its unit. */
  yLabel: string | (() => string);
  height: number;
  /** A value for people. */
  format: (value: number) => string;
  /** What the ticks beside y are. Default: number. */
  ticks?: TickKind;
  /** What stands in place of the curves where there are none. */
  empty: string;
  /** Whether the scale of the view may be logarithmic here. */
  hasLog?: boolean;
  /** Whether y begins at zero. */
  fromZero?: boolean;
  /** A logarithmic x axis of its own, with a cursor of its own. */
  logAxis?: Axis;
  /** Draws over the curves. */
  overlay?: (plot: uPlot) => void;
  /** Whether the legend shows colours and values without names, which are those of another chart. */
  isCompact?: boolean;
  /** A label in the legend was pressed. */
  onToggle: (label: string) => void;
}

const styles = {
  raw: { alpha: 0.3, width: 1 },
  line: { alpha: 1, width: 1.5 },
  strong: { alpha: 1, width: 2.5 },
  point: { alpha: 1, width: 0 },
};

const font = '12px system-ui, sans-serif';

/** Room for the ticks beside the y axis: always the same, so that nothing moves when values change. */
const tickRoom = 72;
const labelRoom = 20;

export class Chart {
  readonly element: HTMLElement;
  readonly #options: ChartOptions;
  readonly #plot: HTMLElement;
  /** Over the plot, where there is nothing in it. */
  readonly #words = h('p', { class: 'words' });
  readonly #legend: Legend;
  #uplot: uPlot | undefined;
  #curves: Curve[] = [];
  #bands: Band[] = [];
  #view: View | undefined;
  /** What the plot was made for: it is made anew when this changes. */
  #made = '';
  /** Range of y while lines are switched: it stays as it is. */
  #heldRange: [number, number] | undefined;

  constructor(options: ChartOptions) {
    this.#options = options;
    this.#plot = h('div', {
      class: 'plot',
      tabindex: 0,
      role: 'img',
      keydown: (event) => this.#onKey(event as KeyboardEvent),
    });
    this.#legend = new Legend(options);
    this.element = h(
      'section',
      { class: 'chart', id: options.id },
      h('header', {}, h('h2', {}, options.title), this.#legend.place),
      this.#legend.element,
      h('div', { class: 'area', style: `--height: ${options.height}px` }, this.#plot, this.#words),
    );
    new ResizeObserver(() => this.#uplot?.setSize(this.#size())).observe(this.#plot);
  }

  /** The uPlot instance. */
  get uplot(): uPlot | undefined {
    return this.#uplot;
  }

  draw(curves: readonly Curve[], bands: readonly Band[], view: View): void {
    this.#curves = curves.filter(({ x, y }) => y.some((value, i) => value !== null && x[i] !== null));
    this.#bands = [...bands];
    this.#view = view;
    if (this.#curves.length === 0) {
      this.#clear();
      return;
    }
    const data = uPlot.join([
      ...this.#curves.map(({ x, y }) => table(x, y)),
      ...this.#ranged().map(({ x, range }) => table(x, range.high, range.low)),
    ]);
    const made = JSON.stringify([
      view.axis,
      this.#isLog(),
      this.#curves.map(({ label, kind, color, range, y }) => [label, kind, color, range !== undefined, isAlone(y)]),
    ]);
    if (this.#uplot && this.#made === made) this.#renew(this.#uplot, data);
    else {
      this.#uplot?.destroy();
      this.#uplot = new uPlot(this.#uplotOptions(), data, this.#plot);
      Object.assign(this.element, { uplot: this.#uplot });
      this.#made = made;
      this.#legend.draw(this.#entries().map((curve) => ({ ...curve, isDashed: curve.isDashed ?? false })));
    }
    this.#mark(view);
    this.#describe();
    this.#read(this.#uplot.cursor.idx ?? null);
  }

  /** Words instead of curves; as high as they will be. */
  #clear(): void {
    this.#uplot?.destroy();
    this.#uplot = undefined;
    this.#made = '';
    this.#legend.draw([]);
    this.#legend.read([], '');
    this.#plot.removeAttribute('aria-label');
    this.#words.textContent = this.#options.empty;
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

  /** After lines were switched off or on; axes stay as they are. */
  updateHidden(): void {
    const [plot, view] = [this.#uplot, this.#view];
    if (!plot || !view) return;
    const { min, max } = plot.scales.y!;
    this.#heldRange = [min!, max!];
    plot.batch(() => {
      for (const [i, { label }] of this.#lines().entries()) plot.setSeries(i + 1, { show: !view.hidden.has(label) });
    });
    this.#heldRange = undefined;
    this.#mark(view);
  }

  /** Which lines are switched off; words where all are. */
  #mark({ hidden }: View): void {
    this.#legend.mark(hidden);
    const isBlank = this.#curves.every(({ label }) => hidden.has(label));
    this.#words.textContent = isBlank ? 'All lines are switched off: press one of the legend.' : '';
  }

  /** Curves that are the mean of several runs. */
  #ranged(): (Curve & Required<Pick<Curve, 'range'>>)[] {
    return this.#curves.filter((curve) => curve.range !== undefined) as (Curve & Required<Pick<Curve, 'range'>>)[];
  }

  /** What the columns of the data belong to, in order: all curves, then the ranges, upper and lower end. */
  #lines(): Curve[] {
    return [...this.#curves, ...this.#ranged().flatMap((curve) => [curve, curve])];
  }

  /** Curves with an entry in the legend: of two of the same name, the smoothed one. */
  #entries(): Curve[] {
    return this.#curves.filter(
      (curve) => curve.kind !== 'raw' || !this.#curves.some((other) => other !== curve && other.label === curve.label),
    );
  }

  #axis(): Axis {
    return this.#options.logAxis ?? this.#view!.axis;
  }

  #isLog(): boolean {
    return this.#options.hasLog === true && this.#view?.scale === 'log';
  }

  #size(): { width: number; height: number } {
    return { width: Math.max(200, this.#plot.clientWidth), height: this.#options.height };
  }

  #uplotOptions(): uPlot.Options {
    const { logAxis, overlay } = this.#options;
    const sync = logAxis ? {} : { sync: { key: 'page' } };
    const ranges = this.#ranged();
    return {
      ...this.#size(),
      legend: { show: false },
      cursor: { ...sync, y: false, points: { size: 6 }, drag: { x: true, y: false } },
      scales: { x: this.#xScale(), y: this.#yScale() },
      axes: [this.#xAxis(), this.#yAxis()],
      series: [
        {},
        ...this.#lines().map((curve, i) => (i < this.#curves.length ? this.#series(curve) : this.#rangeEnd(curve))),
      ],
      bands: ranges.map(({ color }, i) => {
        const upper = 1 + this.#curves.length + 2 * i;
        return { series: [upper, upper + 1], fill: `${cssColor(color)}26` };
      }),
      hooks: {
        drawClear: [(plot) => this.#drawBands(plot)],
        setCursor: [(plot) => this.#read(plot.cursor.idx ?? null)],
        ...(overlay ? { draw: [overlay] } : {}),
      },
    };
  }

  #series({ label, color, kind, x, y, isDashed }: Curve): uPlot.Series {
    const stroke = cssColor(color);
    const points =
      kind === 'point'
        ? { show: true, size: 10, fill: stroke }
        : { show: isAlone(y) || (kind === 'strong' && x.length <= 60), size: 5 };
    return {
      label,
      show: !this.#view!.hidden.has(label),
      stroke,
      ...styles[kind],
      ...(isDashed ? { dash: [6, 4] } : {}),
      spanGaps: true,
      points,
    };
  }

  #rangeEnd({ label }: Curve): uPlot.Series {
    return { show: !this.#view!.hidden.has(label), width: 0, spanGaps: true, points: { show: false } };
  }

  #xScale(): uPlot.Scale {
    if (!this.#options.logAxis) return { time: false };
    return { time: false, distr: 3, range: (_, low, high) => [low / 1.12, high * 1.12] };
  }

  #yScale(): uPlot.Scale {
    const range =
      (pick: (low: number, high: number) => [number, number]) => (_: uPlot, low: number | null, high: number | null) =>
        this.#heldRange ?? (low === null || high === null ? ([1, 10] as [number, number]) : pick(low, high));
    if (this.#isLog())
      return { distr: 3, range: range((low, high) => (low > 0 ? [low / 1.05, high * 1.05] : [1, 10])) };
    return { range: range((low, high) => (this.#options.fromZero ? [0, high * 1.08 || 1] : padded(low, high))) };
  }

  #xAxis(): uPlot.Axis {
    const axis = this.#axis();
    return {
      ...axisLook(axisNames[axis]),
      space: 70,
      size: 30,
      ...tickTextsOf(axisKind(axis), this.#options.logAxis !== undefined),
      ...(this.#options.logAxis ? logAxis((plot) => plot.width / 80) : {}),
    };
  }

  #yAxis(): uPlot.Axis {
    const { ticks = 'number', height, yLabel } = this.#options;
    return {
      ...axisLook(typeof yLabel === 'string' ? yLabel : yLabel()),
      size: tickRoom,
      space: height > 250 ? 40 : 30,
      ...tickTextsOf(ticks, this.#isLog()),
      ...(this.#isLog() ? logAxis(() => Infinity) : {}),
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
      // One that is going on has no end yet.
      const end = Math.min(to, plot.scales.x!.max!);
      const [left, right] = [from, end].map((value) => plot.valToPos(value, 'x', true)) as [number, number];
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
    const parts = this.#entries().flatMap(({ label, y }) => {
      const last = y.findLast((value) => value !== null);
      return last === undefined || last === null ? [] : [`${label} ${format(last)}`.trim()];
    });
    this.#plot.setAttribute('aria-label', `${title}, at the end: ${parts.join(', ')}`);
  }

  /** Reads off the values at an index; without one, the last. */
  #read(index: number | null): void {
    const plot = this.#uplot;
    if (!plot) return;
    const values = this.#entries().map((curve) => {
      const column = plot.data[this.#curves.indexOf(curve) + 1] as (number | null | undefined)[];
      const value = nearest(column, curve.kind === 'point' ? column.length - 1 : (index ?? column.length - 1));
      return value === undefined ? '' : this.#options.format(value);
    });
    const x = index === null ? undefined : plot.data[0][index];
    const axis = this.#axis();
    this.#legend.read(values, typeof x === 'number' ? `${shortAxisNames[axis]} ${axisValue(axis, x)}` : 'at the end');
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

function table(...columns: (readonly (number | null)[])[]): uPlot.AlignedData {
  const [x] = columns;
  // Points without a place are left out.
  const rows = x!.flatMap((value, i) => (value === null ? [] : [i]));
  return columns.map((column) => rows.map((i) => column[i])) as uPlot.AlignedData;
}

function axisLook(label: string): uPlot.Axis {
  const stroke = cssColor('--muted');
  const grid = { stroke: cssColor('--grid'), width: 1 };
  return { stroke, grid, ticks: grid, font, label, labelFont: font, labelSize: labelRoom };
}

function tickTextsOf(kind: TickKind, isLog: boolean): uPlot.Axis {
  const steps = tickSteps(kind);
  return {
    ...(steps && !isLog ? { incrs: steps } : {}),
    values: (_, splits) => (isLog ? splits.flatMap((value) => tickTexts(kind, [value])) : tickTexts(kind, splits)),
  };
}

/** Round ticks of a logarithmic axis, which uPlot would have at powers of ten only. */
function logAxis(most: (plot: uPlot) => number): uPlot.Axis {
  return {
    splits: (plot, _, low, high) => logTicks(low, high, most(plot)),
    filter: (_, splits) => splits,
  };
}

/** Whether a line would show nothing. */
function isAlone(values: readonly (number | null)[]): boolean {
  return values.filter((value) => value !== null).length === 1;
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
