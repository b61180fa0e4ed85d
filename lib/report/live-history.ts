// The run as the live page is to show it, one for all pages: read from the metrics file when the first page asks, and from then
// on kept up to date by the lines as they are written. Its memory does not grow with the run.

import { statSync } from 'node:fs';
import path from 'node:path';
import { type MetricsLine, metricsFileName } from '../train/metrics.ts';
import { addBounded, bound } from './bounded-run.ts';
import { readRun } from './read-run.ts';
import type { RunData } from './run-data.ts';
import { stageRows } from './stage-rows.ts';

export class LiveHistory {
  readonly #directory: string;
  readonly #taken: () => number;
  #run: RunData | undefined;
  #loading: Promise<void> | undefined;
  /** Lines that were written while the file was being read, and are not in what is read. */
  #early: MetricsLine[] = [];
  /** How often it began anew. */
  #starts = 0;

  /** @param taken bytes of the file whose lines have been taken; those beyond will be. Default: all that is there. */
  constructor(directory: string, taken?: () => number) {
    this.#directory = directory;
    this.#taken = taken ?? (() => statSync(path.join(directory, metricsFileName)).size);
  }

  /** The run so far; undefined before `load`, and while there is none. */
  get run(): RunData | undefined {
    const run = this.#run;
    if (run?.start === undefined) return undefined;
    return Object.assign(run, stageRows(run.start, run.totals?.stages ?? []));
  }

  /** A line of metrics, once it is in the file. After a start line, where the file may have been cut, it has to be loaded again. */
  take(line: MetricsLine): void {
    if (line.kind === 'start') this.restart();
    else if (this.#run) addBounded(this.#run, line);
    else if (this.#loading) this.#early.push(line);
  }

  /** The file is another one, or was cut. */
  restart(): void {
    this.#starts++;
    this.#run = undefined;
    this.#loading = undefined;
  }

  /** Reads the file, once, however many ask. */
  load(): Promise<void> {
    this.#loading ??= this.#read();
    return this.#loading;
  }

  async #read(): Promise<void> {
    const starts = this.#starts;
    this.#early = [];
    const run = await this.#readFile().catch(() => undefined);
    if (starts !== this.#starts) return; // of what is no longer there
    this.#loading = run && this.#loading;
    if (run === undefined) return; // not begun, or not to be read now: the next page, or a start line, tries again
    bound(run);
    for (const line of this.#early.splice(0)) addBounded(run, line);
    this.#run = run;
  }

  async #readFile(): Promise<RunData> {
    return readRun(this.#directory, { upTo: this.#taken() });
  }
}
