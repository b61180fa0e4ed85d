// What the reader chose to see: kept in the address after #, so that a reload or a copied link shows the same.

import type { Smoothing } from '../curves.ts';
import { type Axis, axes } from '../run-data.ts';

export interface View {
  axis: Axis;
  scale: 'linear' | 'log';
  /** In [0, 1). */
  smoothing: Smoothing;
  /** Labels of lines that are switched off. */
  hidden: Set<string>;
}

export function readView(hash = location.hash): View {
  const given = new URLSearchParams(hash.slice(1));
  const smoothing = Number(given.get('smoothing') ?? Number.NaN);
  return {
    axis: axes.find((axis) => axis === given.get('x')) ?? 'step',
    scale: given.get('y') === 'log' ? 'log' : 'linear',
    smoothing: smoothing >= 0 && smoothing < 1 ? smoothing : 'auto',
    hidden: new Set(given.getAll('hide')),
  };
}

export function keepView({ axis, scale, smoothing, hidden }: View): void {
  const chosen = [
    ['x', axis],
    ['y', scale],
    ...(smoothing === 'auto' ? [] : [['smoothing', String(smoothing)]]),
    ...[...hidden].map((label) => ['hide', label]),
  ];
  history.replaceState(null, '', `#${new URLSearchParams(chosen)}`);
}
