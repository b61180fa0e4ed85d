// How far prepare has come, for whoever shows it, and where it stops when it is asked to.

import type { InputFile } from './input-files.ts';

/** Every byte is read twice: first to scan, then to encode. */
export interface PrepareProgress {
  phase: 'scan' | 'encode';
  /** Bytes of the input files, read in this phase and in all. */
  bytesDone: number;
  bytesTotal: number;
  /** Documents and tokens written so far, those of a continued run included. */
  documents: number;
  tokens: number;
}

export interface ProgressOptions {
  onProgress?: ((progress: PrepareProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Counts what `onProgress` is told, and stops the work when it is asked to. */
export class ProgressReporter {
  readonly bytesTotal: number;
  readonly #onProgress: ProgressOptions['onProgress'];
  readonly #signal: AbortSignal | undefined;
  #phase: PrepareProgress['phase'] = 'scan';
  #bytesDone = 0;
  #documents = 0;
  #tokens = 0;

  constructor(files: readonly InputFile[], { onProgress, signal }: ProgressOptions) {
    this.bytesTotal = files.reduce((sum, { nBytes }) => sum + nBytes, 0);
    this.#onProgress = onProgress;
    this.#signal = signal;
  }

  readonly onRead = (nBytes: number): void => {
    this.#bytesDone += nBytes;
    // What is being encoded is stopped between two batches.
    if (this.#phase === 'scan') this.#signal?.throwIfAborted();
    this.#report();
  };

  startEncoding(): void {
    this.#phase = 'encode';
    this.#bytesDone = 0;
  }

  onWritten(documents: number, tokens: number): void {
    this.#documents = documents;
    this.#tokens = tokens;
    this.#signal?.throwIfAborted();
    this.#report();
  }

  #report(): void {
    this.#onProgress?.({
      phase: this.#phase,
      bytesDone: this.#bytesDone,
      bytesTotal: this.bytesTotal,
      documents: this.#documents,
      tokens: this.#tokens,
    });
  }
}
