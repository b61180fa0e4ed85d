// What is fuzzed. A trial may succeed, or throw a BurgeonError; whatever else it does is a failure.

import type { Random } from './random.ts';
import { apiTrials } from './targets/api.ts';
import { fileTrials } from './targets/files.ts';
import { textTrials } from './targets/texts.ts';

export interface Target {
  /** What a process does once; trials run one after the other. */
  open(directory: string): Promise<Trial>;
}

export type Trial = (random: Random) => Promise<void>;

export const targets: Readonly<Record<string, Target>> = { ...apiTrials, ...fileTrials, ...textTrials };
