// What watches a run besides the terminal: the live page and TensorBoard.

import type { LiveProgress } from '../report/live-events.ts';
import { LiveServer } from '../report/live-server.ts';
import { EventFile } from '../report/tensorboard.ts';
import type { MetricsLine } from '../train/metrics.ts';
import type { RunControl } from '../train/run-control.ts';
import type { TrainConfig } from '../train/train-config.ts';
import type { Trainer } from '../train/trainer.ts';

/** Where the live page is, if nothing else is said. */
export const defaultPort = 4747;

export interface WatchFlags {
  /** true: the default port. */
  dashboard?: number | true;
  host?: string;
  tensorboard?: boolean;
}

export interface Watchers {
  /** Address of the live page. */
  url: string | undefined;
  onLine(line: MetricsLine): void;
  /** The trainer, once it is open, and how long it will take, null while nobody knows. */
  watch(trainer: Trainer, remainingMs: () => number | null): Promise<void>;
  close(): Promise<void>;
}

/** @throws {BurgeonError} ERR_BURGEON_CONFIG as `LiveServer.start`. */
export async function openWatchers(
  flags: WatchFlags,
  config: TrainConfig,
  control: RunControl,
  onNote: (note: string) => void,
): Promise<Watchers> {
  let trainer: Trainer | undefined;
  let remainingMs: () => number | null = () => null;
  let over: LiveProgress['state'] | undefined;
  let events: EventFile | undefined;
  /** Lines from before there was an event file: it is made when nothing can be refused any more. */
  let early: MetricsLine[] = [];
  const progress = (): LiveProgress => ({
    state: over ?? control.state,
    step: trainer?.step ?? 0,
    steps: (trainer?.config ?? config).steps,
    etaMs: remainingMs(),
  });
  const live =
    flags.dashboard === undefined
      ? undefined
      : await LiveServer.start({
          runDirectory: config.output,
          port: flags.dashboard === true ? defaultPort : flags.dashboard,
          host: flags.host,
          progress,
          units: () => unitsOf(over === undefined ? trainer : undefined),
          controls: {
            pause() {
              control.pause();
              return 'pausing after this step';
            },
            resume() {
              control.resume();
              return 'going on';
            },
            async checkpoint() {
              const directory = await control.checkpoint();
              return directory === undefined ? 'this step has a checkpoint' : `wrote ${directory}`;
            },
            stop() {
              control.stop();
              return 'stopping after this step, with a checkpoint';
            },
          },
        });
  return {
    url: live?.url,
    onLine(line) {
      if (line.kind === 'end') over = line.state;
      live?.take(line);
      if (events) events.take(line);
      else if (flags.tensorboard) early.push(line);
    },
    async watch(opened, remaining) {
      trainer = opened;
      remainingMs = remaining;
      if (!flags.tensorboard) return;
      events = await EventFile.create(config.output, { onTrouble: onNote });
      for (const line of early) events.take(line);
      early = [];
    },
    async close() {
      control.end();
      await live?.close();
      await events?.close();
    },
  };
}

/** Asked by a timer: nothing once the run is over, whether that was told or not. */
function unitsOf(trainer: Trainer | undefined) {
  try {
    return trainer && trainer.step > 0 ? trainer.units : undefined;
  } catch {
    return undefined;
  }
}
