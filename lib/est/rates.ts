// Rates: which share of the layers, or of a layer's heads or neurons, is active. One number for the whole model, or one
// for each layer. Pure.

import { BurgeonError } from '../errors.ts';

/** By layer: one rate for each, or two, of the first and the last layer with a straight line between them. */
export interface LayerRates {
  perLayer: readonly number[];
}

/** In (0, 1]. */
export type Rate = number | LayerRates;

/**
 * Shares of active units: heads and neurons of an active layer, and layers of the model. A rate of `layers` by layer is the
 * probability of each to be active.
 */
export interface Rates {
  heads: Rate;
  neurons: Rate;
  layers: Rate;
}

export const dimensionNames = ['heads', 'neurons', 'layers'] as const;
export type Dimension = (typeof dimensionNames)[number];

/** Whether a value is a rate. */
export function isRate(value: unknown): value is Rate {
  if (typeof value === 'number') return value > 0 && value <= 1;
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'perLayer') return false;
  const { perLayer } = value as { perLayer: unknown };
  return (
    Array.isArray(perLayer) &&
    perLayer.length >= 2 &&
    perLayer.every((rate) => typeof rate === 'number' && isRate(rate))
  );
}

export function isFull(rate: Rate): boolean {
  return typeof rate === 'number' ? rate === 1 : rate.perLayer.every((each) => each === 1);
}

/**
 * The rate of each layer.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for a list that is neither of two rates nor of as many as there are layers.
 */
export function ratesOfLayers(rate: Rate, nLayer: number, name: string): number[] {
  if (typeof rate === 'number') return new Array<number>(nLayer).fill(rate);
  const { perLayer } = rate;
  if (perLayer.length === nLayer) return [...perLayer];
  if (perLayer.length !== 2) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `${name}.perLayer: expected ${nLayer} rates, one for each layer, or 2, of the first and the last, received ${perLayer.length}`,
    );
  }
  const [first, last] = perLayer as [number, number];
  return Array.from({ length: nLayer }, (_, layer) => mix(first, last, nLayer === 1 ? 0 : layer / (nLayer - 1)));
}

/** Whether there are rates between two: lists by layer are of one length. */
export function canMix(from: Rate, to: Rate): boolean {
  return typeof from === 'number' || typeof to === 'number' || from.perLayer.length === to.perLayer.length;
}

/**
 * A rate on the way from one to another.
 * @param from with `to` as `canMix` wants it.
 * @param fraction in [0, 1]; both ends are exact.
 */
export function mixRates(from: Rate, to: Rate, fraction: number): Rate {
  if (typeof from === 'number' && typeof to === 'number') return mix(from, to, fraction);
  const length = Math.max(...[from, to].map((rate) => (typeof rate === 'number' ? 0 : rate.perLayer.length)));
  const listOf = (rate: Rate) => (typeof rate === 'number' ? new Array<number>(length).fill(rate) : rate.perLayer);
  const [a, b] = [listOf(from), listOf(to)];
  return { perLayer: a.map((rate, i) => mix(rate, b[i]!, fraction)) };
}

/** Rounding may carry a mean of two rates an ulp above 1, which is no rate. */
function mix(from: number, to: number, fraction: number): number {
  return Math.min(1, from * (1 - fraction) + to * fraction);
}
