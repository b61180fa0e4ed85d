// Ops that are not counted as FLOPs: bytes per second of each on a line of its own, beside a memory copy.

import { count } from '../../format.ts';
import type { Drawing, Frame } from './dot-chart.ts';
import { s, textWidth } from './svg.ts';

const [line, top, bottom, right] = [24, 26, 40, 20];

export function drawBandwidths({ width, dots, all }: Frame, copy: number): Drawing {
  const names = [...new Set(all.map(({ name }) => name))];
  const left = 12 + Math.max(...names.map((name) => textWidth(name)));
  const most = 1.05 * Math.max(copy, ...all.map(({ high }) => high));
  const x = (value: number) => left + ((width - left - right) * value) / most;
  const y = (name: string) => top + line * (names.indexOf(name) + 0.5);
  const end = top + line * names.length;
  const copyName = `memory copy ${count(copy)}B/s`;
  const half = textWidth(copyName, 600) / 2;
  return {
    height: end + bottom,
    back: [
      ...ticks(most, Math.floor((width - left - right) / 80)).flatMap((tick) => [
        s('line', { class: 'grid', x1: x(tick), x2: x(tick), y1: top, y2: end }),
        s('text', { class: 'tick', x: x(tick), y: end + 16, 'text-anchor': 'middle' }, count(tick)),
      ]),
      s('text', { class: 'axis', x: left + (width - left - right) / 2, y: end + 34, 'text-anchor': 'middle' }, 'B/s'),
      ...names.map((name) =>
        s('text', { class: 'dot-name', x: left - 10, y: y(name) + 4, 'text-anchor': 'end' }, name),
      ),
      s('line', { class: 'roof', x1: x(copy), x2: x(copy), y1: top, y2: end }),
    ],
    front: [
      s(
        'text',
        { class: 'roof-name', x: Math.min(x(copy), width - 4 - half), y: top - 8, 'text-anchor': 'middle' },
        copyName,
      ),
    ],
    dots: dots.map((dot) => {
      const at = { x: x(dot.speed), y: y(dot.name) };
      return { dot, ...at, whisker: { x1: x(dot.low), x2: x(dot.high), y1: at.y, y2: at.y } };
    }),
  };
}

/** 0 and round values up to `most`, at most so many. */
function ticks(most: number, wanted: number): number[] {
  const least = most / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= least)!;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
}
