// Block FLOPs since the start of a run, for files of earlier versions, whose lines have them per step only. Pure.

import type { MetricsLine } from '../train/metrics.ts';
import { valueAt } from './curves.ts';
import type { RunData } from './run-data.ts';

export class BlockFlopSums {
  readonly #steps = [0];
  readonly #sums = [0];

  /** Takes what a totals line says; lines come in order. */
  take(line: MetricsLine): void {
    if (line.kind !== 'totals') return;
    this.#steps.push(line.step);
    this.#sums.push(line.stages.reduce((sum, { blockFlops }) => sum + blockFlops, 0));
  }

  /**
   * Fills in what step and validation lines lack. Totals are written with every evaluation and at the end of each stage;
   * between them the sum grows linearly, which is exact where a stage has one rate. What lies beyond them stays null.
   */
  fillIn({ steps, validation }: RunData): void {
    for (const columns of [steps, validation]) {
      columns.executedBlockFlops = columns.executedBlockFlops.map((value, i) => {
        const step = columns.step[i];
        return value ?? (typeof step === 'number' ? valueAt(this.#steps, this.#sums, step) : null);
      });
    }
  }
}
