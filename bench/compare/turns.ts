// Sides of a comparison taking turns, A B C A B C ..., so that a machine whose speed drifts slows all of them alike. A side
// that fails is dropped, with its reason; the others go on.

import { setTimeout as pause } from 'node:timers/promises';
import { quantile } from '../../lib/bench/statistics.ts';

export interface Side {
  readonly name: string;
  ask<Answer>(message: object): Promise<Answer>;
}

/** What a side says when it is ready. */
export interface Ready {
  version?: string;
  note?: string;
}

export interface Turn {
  ms: number;
  loss?: number;
  peakRssMB?: number;
}

export type Drop = (side: Side, reason: string) => void;

export interface Spread {
  median: number;
  quartiles: [number, number];
}

/** OpenMP's threads spin for some milliseconds after work; then they sleep and leave the cores to the next side. */
const settleMs = 30;

/** Sends every side the message, one after the other. @returns those that are ready. */
export async function prepareAll(sides: readonly Side[], message: object, drop: Drop): Promise<Map<Side, Ready>> {
  const ready = new Map<Side, Ready>();
  for (const side of sides) {
    try {
      ready.set(side, await side.ask<Ready>(message));
    } catch (error) {
      drop(side, (error as Error).message);
    }
  }
  return ready;
}

/** @returns every side's turns: `warmUps` to forget, then `rounds`; sides that failed on the way are not among them. */
export async function takeTurns(
  sides: Iterable<Side>,
  options: { warmUps: number; rounds: number; steps: number },
  drop: Drop,
): Promise<Map<Side, Turn[]>> {
  const turns = new Map([...sides].map((side): [Side, Turn[]] => [side, []]));
  for (let round = 0; round < options.warmUps + options.rounds; round++) {
    for (const [side, taken] of turns) {
      await pause(settleMs);
      try {
        taken.push(await side.ask<Turn>({ go: true, steps: options.steps }));
      } catch (error) {
        turns.delete(side);
        drop(side, (error as Error).message);
      }
    }
  }
  return turns;
}

export function spread(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), quartiles: [quantile(values, 0.25), quantile(values, 0.75)] };
}
