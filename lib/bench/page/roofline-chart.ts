// The roofline: FLOPs per second over FLOPs per byte, both logarithmic, under the roofs that were measured.

import { count } from '../../format.ts';
import { logTicks } from '../../report/page/axis-text.ts';
import { type Box, boxAround, freePlace, type Place } from '../../report/page/label-places.ts';
import type { BenchPageData } from '../page-data.ts';
import type { Drawing, DrawnDot, Frame } from './dot-chart.ts';
import { s, textWidth } from './svg.ts';

const margin = { left: 70, right: 12, top: 22, bottom: 44 };
/** Heights for narrow pages and wide ones. */
const [leastHeight, mostHeight] = [340, 520];

export function drawRoofline({ width, dots, all }: Frame, { products, copy }: BenchPageData['roofs']): Drawing {
  const height = Math.round(Math.min(mostHeight, Math.max(leastHeight, 0.45 * width)));
  const top = Math.max(...products.map(({ perSecond }) => perSecond), ...all.map(({ high }) => high));
  const ridges = products.map(({ perSecond }) => perSecond / copy);
  const intensities = [...ridges, ...all.map(({ intensity }) => intensity!)];
  const [xLow, xHigh] = [Math.min(...intensities) / 3, Math.max(...intensities) * 2.5];
  const slowest = Math.min(copy * xLow, ...all.map(({ low }) => low));
  const [yLow, yHigh] = [slowest / 1.5, top * 1.6];
  const plot = {
    left: margin.left,
    top: margin.top,
    width: width - margin.left - margin.right,
    height: height - margin.top - margin.bottom,
  };
  const scale = (low: number, high: number, value: number) => Math.log(value / low) / Math.log(high / low);
  const x = (value: number) => plot.left + plot.width * scale(xLow, xHigh, value);
  const y = (value: number) => plot.top + plot.height * (1 - scale(yLow, yHigh, value));
  const bottom = plot.top + plot.height;
  const right = plot.left + plot.width;

  const grid = [
    ...logTicks(xLow, xHigh, Math.max(3, Math.floor(plot.width / 70))).flatMap((tick) => [
      s('line', { class: 'grid', x1: x(tick), x2: x(tick), y1: plot.top, y2: bottom }),
      s('text', { class: 'tick', x: x(tick), y: bottom + 16, 'text-anchor': 'middle' }, count(tick)),
    ]),
    ...logTicks(yLow, yHigh, 7).flatMap((tick) => [
      s('line', { class: 'grid', x1: plot.left, x2: right, y1: y(tick), y2: y(tick) }),
      s('text', { class: 'tick', x: plot.left - 8, y: y(tick) + 4, 'text-anchor': 'end' }, count(tick)),
    ]),
    s(
      'text',
      { class: 'axis', x: plot.left + plot.width / 2, y: height - 6, 'text-anchor': 'middle' },
      'FLOPs per byte',
    ),
    s('text', { class: 'axis', x: 2, y: 12 }, 'FLOP/s'),
  ];
  const highest = Math.max(...products.map(({ perSecond }) => perSecond));
  const slope = `M${x(xLow)} ${y(copy * xLow)}L${x(highest / copy)} ${y(highest)}`;
  const roofs = [
    s('path', { class: 'roof', d: slope }),
    ...products.map(({ perSecond }) =>
      s('path', { class: 'roof', d: `M${x(perSecond / copy)} ${y(perSecond)}H${right}` }),
    ),
  ];
  const names = roofNames({ products, copy, xLow, x, y, right });
  const drawn = dots.map((dot): DrawnDot => {
    const at = { x: x(dot.intensity!), y: y(dot.speed) };
    return { dot, ...at, whisker: { x1: at.x, x2: at.x, y1: y(dot.low), y2: y(dot.high) } };
  });
  return {
    height,
    back: [...grid, ...roofs],
    front: [...names.elements, ...dotNames(drawn, plot, names.boxes)],
    dots: drawn,
  };
}

interface Scales {
  products: BenchPageData['roofs']['products'];
  copy: number;
  xLow: number;
  x: (value: number) => number;
  y: (value: number) => number;
  right: number;
}

/** Beside the levels, and along the slope. */
function roofNames({ products, copy, xLow, x, y, right }: Scales): { elements: SVGElement[]; boxes: Box[] } {
  const levels = products.map(({ name, perSecond }) => ({
    text: `${name} ${count(perSecond)}FLOP/s`,
    at: y(perSecond) - 6,
  }));
  const [from, to] = [xLow, Math.min(...products.map(({ perSecond }) => perSecond)) / copy];
  const angle = (180 / Math.PI) * Math.atan2(y(copy * to) - y(copy * from), x(to) - x(from));
  const middle = Math.sqrt(from * to);
  const at = { x: x(middle), y: y(copy * middle) };
  const text = `memory copy ${count(copy)}B/s`;
  const length = Math.hypot(x(to) - x(from), y(copy * to) - y(copy * from));
  // Along the slope, or below its foot where it is too short.
  const slope =
    length > textWidth(text, 600) + 24
      ? alongSlope(text, at, angle)
      : belowSlope(text, { x: x(from) + 8, y: y(copy * from) + 20 });
  return {
    elements: [
      ...levels.map((level) =>
        s('text', { class: 'roof-name', x: right - 4, y: level.at, 'text-anchor': 'end' }, level.text),
      ),
      slope.element,
    ],
    boxes: [
      ...levels.map(({ text: name, at: base }) => ({
        left: right - 4 - textWidth(name, 600),
        right,
        top: base - 12,
        bottom: base + 8,
      })),
      slope.box,
    ],
  };
}

function alongSlope(text: string, { x, y }: Place, angle: number): { element: SVGElement; box: Box } {
  const half = textWidth(text, 600) / 2;
  const [across, up] = [Math.cos, Math.sin].map((of) => half * Math.abs(of((angle * Math.PI) / 180))) as [
    number,
    number,
  ];
  const transform = `translate(${x} ${y}) rotate(${angle}) translate(0 -7)`;
  return {
    element: s('text', { class: 'roof-name', transform, 'text-anchor': 'middle' }, text),
    box: { left: x - across, right: x + across, top: y - up - 14, bottom: y + up },
  };
}

function belowSlope(text: string, { x, y }: Place): { element: SVGElement; box: Box } {
  return {
    element: s('text', { class: 'roof-name', x, y }, text),
    box: { left: x, right: x + textWidth(text, 600), top: y - 12, bottom: y + 5 },
  };
}

/** Names of ops beside their first dots, where there is room; the others are read off. */
function dotNames(
  drawn: readonly DrawnDot[],
  plot: { left: number; top: number; width: number; height: number },
  boxes: readonly Box[],
): SVGElement[] {
  // Places are found in pixels of the device.
  const ratio = devicePixelRatio;
  const scaled = ({ left, right, top, bottom }: Box) => ({
    left: left * ratio,
    right: right * ratio,
    top: top * ratio,
    bottom: bottom * ratio,
  });
  const taken = [
    ...boxes.map(scaled),
    ...drawn.filter(({ dot }) => dot.isNamed).map(({ x, y }) => boxAround({ x: x * ratio, y: y * ratio }, 7 * ratio)),
  ];
  const area = {
    left: plot.left * ratio,
    top: plot.top * ratio,
    width: plot.width * ratio,
    height: plot.height * ratio,
  };
  const named = new Set<string>();
  return drawn.flatMap(({ dot, x, y }) => {
    if (!dot.isNamed || named.has(dot.name)) return [];
    named.add(dot.name);
    const found = freePlace(
      { x: x * ratio, y: y * ratio },
      [textWidth(dot.name) * ratio],
      x > plot.left + plot.width / 2,
      area,
      taken,
    );
    if (!found) return [];
    taken.push(found.box);
    const middle = (found.box.top + found.box.bottom) / 2 / ratio;
    const [left, right] = [found.box.left / ratio, found.box.right / ratio];
    const edge = right < x ? right : left > x ? left : x;
    return [
      ...(Math.abs(middle - y) > 18 ? [s('line', { class: 'leader', x1: x, y1: y, x2: edge, y2: middle })] : []),
      s('text', { class: 'dot-name', x: left, y: middle + 4 }, dot.name),
    ];
  });
}
