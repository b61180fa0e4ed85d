// What units start from that a stage trains for the first time: a transition, done once, before the first step of the
// stage. Which layer each layer is copied from is decided here; `lib/model/grow.ts` knows the rows of tensors. Pure.

import { show } from '../config/fields.ts';
import { BurgeonError } from '../errors.ts';

/**
 * New layers. `keep`: what they have, as a rule initial weights. Of k trained layers that become K: `stack` copies layer i
 * from i mod k; `repeat` from floor(i k / K), so that copies lie beside each other; `middle` inserts copies of the middle
 * block behind it. `zero-out`: initial, but their output projections are zero, so that the model computes what it did.
 */
export const depthTransitions = ['keep', 'stack', 'repeat', 'middle', 'zero-out'] as const;
export type DepthTransition = (typeof depthTransitions)[number];

/**
 * New heads and neurons. `keep`: what they have. `zero-out`: the same, but their output rows are zero. `split`: unit j of
 * k trained ones is a copy of j mod k, and the output rows of all copies of a unit are divided by their number. With both
 * the model computes what it did, as long as sums are not rescaled.
 */
export const widthTransitions = ['keep', 'zero-out', 'split'] as const;
export type WidthTransition = (typeof widthTransitions)[number];

export const momentTransitions = ['copy', 'zero'] as const;

export interface Transition {
  /** Default 'keep'. */
  layers?: DepthTransition | undefined;
  /** Default 'keep'. */
  width?: WidthTransition | undefined;
  /**
   * Moments of copies: those of what was copied, or zero. Copies of a unit with equal moments would stay equal for ever.
   * Default: copy; where width is split, zero.
   */
  moments?: (typeof momentTransitions)[number] | undefined;
  /** Steps over which the learning rate climbs back to what it would be. Default 0. */
  warmupSteps?: number | undefined;
  /** The share of it with which that begins, in [0, 1). Default 0. */
  warmupFrom?: number | undefined;
}

const transitionKeys = ['layers', 'width', 'moments', 'warmupSteps', 'warmupFrom'];

/**
 * A transition as an object; a word is that of the layers.
 * @param name whose it is, for errors.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for anything that is none.
 */
export function readTransition(written: DepthTransition | Transition, name: string): Transition {
  const transition = typeof written === 'string' ? { layers: written } : written;
  const isObject = typeof transition === 'object' && transition !== null;
  if (isObject && Object.keys(transition).every((key) => transitionKeys.includes(key))) {
    const { layers = 'keep', width = 'keep', moments = 'copy', warmupSteps = 0, warmupFrom = 0 } = transition;
    const isKnown =
      depthTransitions.includes(layers) && widthTransitions.includes(width) && momentTransitions.includes(moments);
    const isShare = typeof warmupFrom === 'number' && warmupFrom >= 0 && warmupFrom < 1;
    if (isKnown && Number.isSafeInteger(warmupSteps) && warmupSteps >= 0 && isShare) return transition;
  }
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `${name}: expected a transition of layers ${depthTransitions.join(', ')}; width ${widthTransitions.join(', ')}; moments ` +
      `${momentTransitions.join(', ')}; whole warmupSteps; warmupFrom from 0 to below 1, received ${show(written)}`,
  );
}

/**
 * The layer whose weights each layer has after a transition from `from` to `to` layers: its own number where it keeps what
 * it has and was trained, -1 where nothing was trained yet. Never above its own number, so layers can be copied in place
 * from the last one down.
 */
export function layerSources(kind: DepthTransition, from: number, to: number): number[] {
  const added = to - from;
  const source = (layer: number): number => {
    switch (kind) {
      case 'stack':
        return layer % from;
      case 'repeat':
        return Math.floor((layer * from) / to);
      case 'middle': {
        const size = Math.min(added, from);
        const end = Math.floor((from - size) / 2) + size;
        if (layer < end) return layer;
        return layer < end + added ? end - size + ((layer - end) % size) : layer - added;
      }
      default:
        return layer < from ? layer : -1;
    }
  };
  return Array.from({ length: to }, (_, layer) => (added <= 0 ? layer : source(layer)));
}

/** The factor of the learning rate at the n-th step (from 0) of a stage. */
export function warmupFactor({ warmupSteps = 0, warmupFrom = 0 }: Transition, n: number): number {
  return n >= warmupSteps ? 1 : warmupFrom + ((1 - warmupFrom) * (n + 1)) / warmupSteps;
}
