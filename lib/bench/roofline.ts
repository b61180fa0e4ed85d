// Where an op stands under the roofs of its machine (Williams, Waterman and Patterson, "Roofline", CACM 2009): what holds it back,
// and a sentence that says so. Pure.

import { bytes, count, percent } from '../format.ts';
import type { Spread } from './statistics.ts';

/** What the machine can do at best. */
export interface Roofs {
  /** Of products in the precision at hand. */
  flopsPerSecond: number;
  /** Of a memory copy, read + written. */
  bytesPerSecond: number;
}

/** One call of an op, on average. */
export interface Call {
  ms: number;
  /** 0 for ops that are not counted as FLOPs. */
  flops: number;
  /** Operands read and outputs written, once each; 0 where they are not known. */
  bytes: number;
}

/** What an op would have to be faster to be faster; "neither" where it uses less than half of what both allow. */
export type Bound = 'arithmetic' | 'memory' | 'caches' | 'neither';

export interface Placement {
  /** FLOPs per byte; null without FLOPs or bytes. */
  intensity: number | null;
  flopsPerSecond: number | null;
  bytesPerSecond: number | null;
  bound: Bound;
  /** Of what the lower roof allows; from caches it can be more. */
  share: number;
  /** The lower roof. */
  roof: 'arithmetic' | 'memory';
}

/** Below this share of its roof an op is bound by neither. */
export const boundShare = 0.5;
/** A copy is not timed to the percent: what is faster by no more than so much may be read from memory. */
const beyondMemory = 1.05;

/** @param shareOfCopy of a copy that is a better roof than that of the machine, as with cold caches. */
export function place({ ms, flops, bytes: moved }: Call, roofs: Roofs, shareOfCopy?: number): Placement {
  const perSecond = (amount: number) => (amount === 0 ? null : amount / (ms / 1000));
  const ofPeak = (1000 * flops) / ms / roofs.flopsPerSecond;
  const ofCopy = shareOfCopy ?? (1000 * moved) / ms / roofs.bytesPerSecond;
  const roof = ofPeak >= ofCopy ? 'arithmetic' : 'memory';
  const share = Math.max(ofPeak, ofCopy);
  const bound = share < boundShare ? 'neither' : roof === 'memory' && share > beyondMemory ? 'caches' : roof;
  return {
    intensity: flops > 0 && moved > 0 ? flops / moved : null,
    flopsPerSecond: perSecond(flops),
    bytesPerSecond: perSecond(moved),
    ...{ bound, share, roof },
  };
}

/** What is known of an op beside its place. */
export interface Circumstances {
  name: string;
  ms: number;
  bytes: number;
  placement: Placement;
  /** Of its times. */
  spread?: Spread | undefined;
  /** Whether other processes took a part of the processor. */
  isBusy?: boolean | undefined;
  /** Time with cold caches over time with warm ones, where both were measured. */
  coldRatio?: number | undefined;
  /** At the lowest rate. */
  skipping?: { rate: number; efficiency: number } | undefined;
}

/** Times that vary by more than this share between their quartiles say little. */
export const unsteady = 0.15;
/** Below so many milliseconds, starting and joining threads is a part of the time that shows. */
const shortMs = 0.05;
const coldMatters = 1.25;
const skipsBadly = 0.8;

/** One sentence: how fast an op is, what holds it back, and why. */
export function opSentence(circumstances: Circumstances): string {
  const { name, coldRatio, skipping } = circumstances;
  const parts = [
    ...(coldRatio !== undefined && coldRatio >= coldMatters
      ? [`with cold caches it takes ${coldRatio.toFixed(1)} times as long`]
      : []),
    ...(skipping && skipping.efficiency < skipsBadly
      ? [
          `at rate ${skipping.rate} it saves only ${percent(Math.max(0, skipping.efficiency), 0)} of the time that the skipped work takes`,
        ]
      : []),
  ];
  return `${name} ${[boundText(circumstances), ...parts].join('; ')}.`;
}

function boundText({ ms, bytes: moved, placement, spread, isBusy }: Circumstances): string {
  const { bound, share, roof, bytesPerSecond } = placement;
  const of = percent(share, 0);
  const speed = bytesPerSecond === null ? '' : `, ${bytes(moved)} at ${count(bytesPerSecond)}B/s`;
  if (bound === 'arithmetic')
    return `is bound by arithmetic: ${of} of the peak of products, so that only fewer FLOPs make it faster`;
  if (bound === 'memory') return `is bound by memory: ${of} of a copy${speed}, so that only fewer bytes make it faster`;
  if (bound === 'caches') return `reads from caches what it works on: ${of} of a memory copy${speed}`;
  const reached = `reaches ${of} of what ${roof === 'memory' ? 'memory' : 'arithmetic'} allows`;
  if (isBusy) return `${reached}, but the machine was busy, so that this says little of the op`;
  if (spread && relativeSpread(spread) > unsteady) {
    return `${reached}, but its times vary by ${percent(relativeSpread(spread), 0)}: something else ran, so that this says little of the op`;
  }
  if (ms < shortMs) return `${reached}: it takes ${Math.round(1000 * ms)} µs, of which starting threads is a part`;
  return `${reached}: the rest goes to work that counts as neither FLOPs nor bytes, such as exponentials, sums over rows and waiting threads`;
}

/** Between the quartiles, of the median. */
export function relativeSpread({ median, low, high }: Spread): number {
  return (high - low) / median;
}
