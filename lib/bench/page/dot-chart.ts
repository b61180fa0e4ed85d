// A chart of dots that are read off one by one: the frame, the line that says what the pointer or the keyboard is at, and the dots.
// Where they stand, and axes, is left to `draw`; it is called again for every width.

import { fill, h } from '../../report/page/dom.ts';
import type { Dot } from '../page-data.ts';
import { s } from './svg.ts';

/** A dot where it is drawn; `low` and `high` are the ends of its whisker. In pixels. */
export interface DrawnDot {
  dot: Dot;
  x: number;
  y: number;
  whisker: { x1: number; y1: number; x2: number; y2: number };
}

export interface Frame {
  width: number;
  /** Those of the series that are shown. */
  dots: readonly Dot[];
  /** All, whose range the axes have. */
  all: readonly Dot[];
}

export interface Drawing {
  height: number;
  /** Behind the dots and before them. */
  back: SVGElement[];
  front: SVGElement[];
  dots: DrawnDot[];
}

export interface DotChartOptions {
  id: string;
  title: string;
  note: string;
  dots: readonly Dot[];
  draw: (frame: Frame) => Drawing;
}

const [fullRadius, partRadius, reach] = [5.5, 3, 12];

/** How dots of a series look: a colour of the style sheet, and every second series hollow. */
export function lookOf(series: number): { color: string; isDashed: boolean } {
  return { color: `--run-${[1, 2, 0, 3, 4, 5, 6, 7][series % 8]}`, isDashed: series % 2 === 1 };
}

export class DotChart {
  readonly element: HTMLElement;
  readonly #options: DotChartOptions;
  readonly #plot: HTMLElement;
  /** Always there, so that reading off moves nothing. */
  readonly #readout = h('p', { class: 'dot-readout', 'aria-live': 'polite' });
  #hidden: ReadonlySet<number> = new Set();
  #drawn: DrawnDot[] = [];
  #rings: SVGElement[] = [];
  #at = -1;
  #width = 0;

  constructor(options: DotChartOptions) {
    this.#options = options;
    this.#plot = h('div', {
      class: 'plot',
      tabindex: 0,
      role: 'img',
      'aria-label': options.title,
      keydown: (event) => this.#onKey(event as KeyboardEvent),
      pointermove: (event) => this.#onPointer(event as PointerEvent),
      pointerleave: () => this.#read(-1),
    });
    this.element = h(
      'section',
      { class: 'chart', id: options.id },
      h('header', {}, h('h2', {}, options.title)),
      h('p', { class: 'note' }, options.note),
      this.#plot,
      this.#readout,
    );
    new ResizeObserver(() => {
      const width = Math.floor(this.#plot.clientWidth);
      if (width === this.#width || width === 0) return;
      this.#width = width;
      this.#draw();
    }).observe(this.#plot);
    this.#read(-1);
  }

  hide(series: ReadonlySet<number>): void {
    this.#hidden = series;
    this.#draw();
  }

  #draw(): void {
    const { dots: all, draw } = this.#options;
    const dots = all.filter(({ series }) => !this.#hidden.has(series));
    const { height, back, front, dots: drawn } = draw({ width: this.#width, dots, all });
    this.#drawn = drawn;
    const marks = drawn.map(({ dot, x, y, whisker }) => {
      const { color, isDashed } = lookOf(dot.series);
      return s(
        'g',
        { class: `dot ${isDashed ? 'hollow' : ''} ${dot.isNamed ? '' : 'part'}`, style: `--color: var(${color})` },
        s('line', { ...whisker }),
        s('circle', { cx: x, cy: y, r: dot.isNamed ? fullRadius : partRadius }),
      );
    });
    this.#rings = marks;
    fill(
      this.#plot,
      s('svg', { width: this.#width, height, viewBox: `0 0 ${this.#width} ${height}` }, ...back, ...marks, ...front),
    );
    this.#read(-1);
  }

  #read(index: number): void {
    this.#rings[this.#at]?.classList.remove('at');
    this.#at = index;
    this.#rings[index]?.classList.add('at');
    this.#readout.textContent = this.#drawn[index]?.dot.text ?? 'Point at a dot to read it off.';
  }

  #onPointer(event: PointerEvent): void {
    const box = this.#plot.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const distances = this.#drawn.map((dot) => Math.hypot(dot.x - x, dot.y - y));
    const nearest = Math.min(...distances);
    this.#read(nearest <= reach ? distances.indexOf(nearest) : -1);
  }

  #onKey(event: KeyboardEvent): void {
    const delta = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (delta === undefined || this.#drawn.length === 0) return;
    event.preventDefault();
    const count = this.#drawn.length;
    this.#read(this.#at < 0 ? (delta > 0 ? 0 : count - 1) : (this.#at + delta + count) % count);
  }
}
