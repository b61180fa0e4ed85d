// What units start from that a stage trains for the first time: a transition, done once, before the first step of the
// stage. Which layer each layer is copied from is decided here; `lib/model/grow.ts` knows the rows of tensors. Pure.

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
  layers?: DepthTransition;
  /** Default 'keep'. */
  width?: WidthTransition;
  /**
   * Moments of copies: those of what was copied, or zero. Copies of a unit with equal moments would stay equal for ever.
   * Default: copy; where width is split, zero.
   */
  moments?: (typeof momentTransitions)[number];
  /** Steps over which the learning rate climbs back to what it would be. Default 0. */
  warmupSteps?: number;
  /** The share of it with which that begins, in [0, 1). Default 0. */
  warmupFrom?: number;
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
