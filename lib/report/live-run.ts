// A run as live pages follow it: its history, the news since, and who reads them. Without a page that reads, a line costs next
// to nothing.

import type { ServerResponse } from 'node:http';
import type { MetricsLine } from '../train/metrics.ts';
import type { UnitShares } from '../train/unit-usage.ts';
import type { LiveEvent, LiveProgress } from './live-events.ts';
import { LiveHistory } from './live-history.ts';
import { LiveMessages } from './live-messages.ts';
import type { LiveStreams } from './live-streams.ts';
import { stageRows } from './stage-rows.ts';

export interface LiveRunOptions {
  runDirectory: string;
  streams: LiveStreams;
  progress: () => LiveProgress;
  /** Shares of units, newer than those among the lines. */
  units?: (() => { step: UnitShares; run: UnitShares } | undefined) | undefined;
  /** Bytes of the metrics file whose lines have been taken. Default: all that is there. */
  taken?: (() => number) | undefined;
  /** Whether its history goes with the last page that shows it: lines need not be taken then. Default: it stays. */
  isForgotten?: boolean;
}

/** Least time between two events with shares of units. */
const unitsEveryMs = 2000;

export class LiveRun {
  readonly #options: LiveRunOptions;
  readonly #history: LiveHistory;
  readonly #messages = new LiveMessages(() => this.#snapshot());
  /** Lines that are not yet among the messages; none without a page that listens. */
  #lines: MetricsLine[] = [];
  #lastUnitsMs = -Infinity;
  /** What was told last of how far the run is. */
  #lastTold = '';

  constructor(options: LiveRunOptions) {
    this.#options = options;
    this.#history = new LiveHistory(options.runDirectory, options.taken);
  }

  /** Bytes of messages that are kept. */
  get messageBytes(): number {
    return this.#messages.bytes;
  }

  /** Whether a page listens. */
  get isFollowed(): boolean {
    return this.#options.streams.follows(this.#messages);
  }

  /** A line of metrics, once it is in the file. */
  take(line: MetricsLine): void {
    this.#history.take(line);
    if (line.kind === 'start') this.#begin();
    else if (this.isFollowed) this.#lines.push(line);
  }

  /** The file is another one. */
  restart(): void {
    this.#history.restart();
    this.#begin();
  }

  /** The run begins, or goes on: everybody begins anew. */
  #begin(): void {
    this.#lines = [];
    this.#messages.restart();
    if (this.isFollowed) void this.#history.load().then(() => this.#options.streams.send());
  }

  /** A page wants to follow the run. */
  async connect(response: ServerResponse): Promise<void> {
    const stream = this.#options.streams.open(response, this.#messages, () => this.#left());
    if (stream === undefined) return;
    await this.#history.load();
    stream.send();
  }

  #left(): void {
    if (this.isFollowed) return;
    this.#lines = [];
    this.#messages.restart();
    if (this.#options.isForgotten) this.#history.restart();
  }

  /** Puts what is new among the messages. @param isForced also if little has changed. */
  addNews(isForced: boolean): void {
    if (!this.isFollowed) return;
    const now = performance.now();
    const hasUnits = isForced || now - this.#lastUnitsMs >= unitsEveryMs;
    if (hasUnits) this.#lastUnitsMs = now;
    const units = hasUnits ? this.#units() : undefined;
    const progress = this.#options.progress();
    const told = `${progress.state} ${progress.step}`;
    const isNews = isForced || units !== undefined || told !== this.#lastTold;
    this.#lastTold = told;
    const lines = this.#lines.splice(0);
    if (lines.length === 0 && !isNews) return;
    const totals = lines.findLast((line) => line.kind === 'totals');
    const stages = totals && stageRows(this.#history.run?.start, totals.stages).stages;
    this.#messages.add({ kind: 'news', lines, progress, stages, units });
  }

  /** Ends the streams of those who follow it. */
  end(): void {
    this.#options.streams.end(this.#messages);
  }

  /** The run as it is; what others have not been told is told them first, so that nobody hears of it twice. */
  #snapshot(): LiveEvent | undefined {
    const { run } = this.#history;
    if (run === undefined) return undefined;
    this.addNews(false);
    return { kind: 'history', run, progress: this.#options.progress(), units: this.#units() };
  }

  #units(): LiveEvent['units'] {
    try {
      const units = this.#options.units?.();
      return units && { step: this.#options.progress().step, units };
    } catch {
      // The run has just been closed. Timers call this, whose errors would end the process.
      return undefined;
    }
  }
}
