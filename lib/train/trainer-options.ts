// What a run may be told beside its configuration.

import type { Communicator } from '../ranks/communicator.ts';
import type { MetricsLine } from './metrics.ts';
import type { StartMode } from './run-directory.ts';

export interface TrainerOptions {
  /** Default 'new'. */
  start?: StartMode | undefined;
  /**
   * Keys that are changed on purpose, if the run that is resumed has other values: `['steps', 'optimizer']`. What may change, and
   * what then holds: docs/checkpoint-format.md. Default: none.
   */
  changes?: readonly string[] | undefined;
  /** The other ranks, which call `follow`: this is rank 0, and each trains its share of the micro-batches. Default: none. */
  communicator?: Communicator | undefined;
  /** Stops between two micro-batches, evaluation batches or tokens of a sample, with a checkpoint of the last whole step. */
  signal?: AbortSignal | undefined;
  /** Ends a complete run with a bigram model fitted on the training data, whose loss the summary then gives. */
  bigramBaseline?: boolean | undefined;
  /** Receives notes for people: torn checkpoints passed over, and the like. */
  onNote?: ((note: string) => void) | undefined;
  /** Receives every line of metrics.jsonl once it is in the file. */
  onLine?: ((line: MetricsLine) => void) | undefined;
}
