// A run of the dashboard: its metrics file as it grows, its lock, and the pages that show it. It knows of no process.

import path from 'node:path';
import { HolderWatch } from '../../files/holder-watch.ts';
import { lockHolder } from '../../files/lock-file.ts';
import { thisProcess } from '../../files/process-identity.ts';
import type { FileLine } from '../../files/scan-lines.ts';
import { metricsFileName } from '../../train/metrics.ts';
import { runLockName } from '../../train/run-directory.ts';
import type { LiveProgress, RunOverview } from '../live-events.ts';
import { LiveRun } from '../live-run.ts';
import type { LiveStreams } from '../live-streams.ts';
import { decodeLine, isStep } from '../read-run.ts';
import { MetricsTail } from './metrics-tail.ts';
import { RunDigest } from './run-digest.ts';

export class FollowedRun {
  readonly name: string;
  readonly directory: string;
  readonly live: LiveRun;
  readonly #lock: string;
  readonly #tail: MetricsTail;
  #digest = new RunDigest();
  #watch: HolderWatch | undefined;
  #isHeld = false;
  #looking: Promise<void> | undefined;

  /** @param name in the dashboard. */
  constructor(name: string, directory: string, streams: LiveStreams) {
    this.name = name;
    this.directory = directory;
    this.#lock = path.join(directory, runLockName);
    this.#tail = new MetricsTail(path.join(directory, metricsFileName));
    this.live = new LiveRun({
      ...{ runDirectory: directory, streams },
      progress: () => this.#progress(),
      taken: () => this.#tail.offset,
      isForgotten: true,
    });
  }

  get overview(): RunOverview {
    return this.#digest.overview(this.name, { isHeld: this.#isHeld, changedMs: this.#tail.changedMs });
  }

  /** Takes what is new. Who asks meanwhile gets the same look. @throws what the file system says. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    this.#watch ??= new HolderWatch(await thisProcess());
    // Before the lines: one that holds the lock then, and has written its end since, is over.
    this.#isHeld = (await lockHolder(this.#lock, this.#watch)) !== undefined;
    await this.#tail.read({
      onRestart: () => {
        this.#digest = new RunDigest();
        this.live.restart();
      },
      onLine: (line) => this.#take(line),
    });
    this.live.addNews(false);
  }

  #take(line: FileLine): void {
    const { chunk, begin, end } = line;
    if (begin === end) return;
    const text = chunk.toString('utf8', begin, end);
    const isOfStep = isStep(line);
    if (isOfStep) this.#digest.takeStep(text);
    if (!this.live.isFollowed && isOfStep) return;
    const { read } = decodeLine(text, true);
    if (read === undefined) return;
    if (!isOfStep) this.#digest.take(read);
    if (this.live.isFollowed) this.live.take(read);
  }

  #progress(): LiveProgress {
    const { state, step, steps, etaMs } = this.overview;
    return { state, step, steps: steps ?? step, etaMs };
  }
}
