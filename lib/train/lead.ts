// How rank 0 of a run leads the others: it alone has the run directory, and tells them what to do next. They hold the same
// model and data, so a step needs no more than its number.

import { readCheckpoint } from '../checkpoint/checkpoint.ts';
import type { ModelConfig } from '../config/model-config.ts';
import type { WindowRule } from '../data/token-source.ts';
import { BurgeonError, isError } from '../errors.ts';
import { Schedule } from '../est/schedule.ts';
import type { Model } from '../model/model.ts';
import type { Moment } from '../optim/optimizer.ts';
import type { Communicator } from '../ranks/communicator.ts';
import { type RankOf, shareOf } from '../ranks/shares.ts';
import type { FoundData } from './data-record.ts';
import { keptMoments, type MomentName } from './kept-moments.ts';
import type { TrainConfig } from './train-config.ts';

/** What the others are told first. */
export interface Beginning {
  /** In force. */
  config: TrainConfig;
  model: ModelConfig;
  data: FoundData;
  windows: WindowRule;
  /** That follow: of a checkpoint, where they are divided over ranks. */
  moments: readonly MomentName[];
}

/** What they are told next. */
export type Command =
  | { kind: 'step' | 'evaluate'; step: number }
  // Give rank 0 what of it is here.
  | ({ kind: 'moment' } & MomentName)
  | { kind: 'end'; isComplete: boolean };

export const toldFirst = 'the beginning of the run';
export const toldNext = 'what is next';

export class Lead {
  readonly communicator: Communicator;
  #isOver = false;

  private constructor(communicator: Communicator) {
    this.communicator = communicator;
  }

  /**
   * Tells the others of the run, and gives them the model as it is.
   * @param checkpoint has the moments, where they are divided over ranks and were not zero.
   * @throws {BurgeonError} ERR_BURGEON_RANKS, ERR_BURGEON_CHECKPOINT.
   */
  static async begin(
    communicator: Communicator,
    beginning: Omit<Beginning, 'moments'>,
    model: Model,
    checkpoint: string | undefined,
  ): Promise<Lead> {
    const source = checkpoint === undefined ? undefined : await readCheckpoint(checkpoint, { isVerified: true });
    try {
      const moments = source ? keptMoments(model, source) : [];
      await communicator.broadcast<Beginning>({ ...beginning, moments }, toldFirst);
      await model.broadcastState(communicator);
      for (const { name, which } of moments) {
        await model.setMoment(name, which, await source!.readMoment(name, which), communicator);
      }
    } finally {
      await source?.close();
    }
    return new Lead(communicator);
  }

  /**
   * A moment of the model, wherever its rows are; between two commands.
   * @throws {BurgeonError} ERR_BURGEON_RANKS.
   */
  async moment(model: Model, name: string, which: Moment): Promise<ArrayLike<number>> {
    await this.tell({ kind: 'moment', name, which });
    return model.moment(name, which, this.communicator);
  }

  async tell(command: Command): Promise<void> {
    await this.communicator.broadcast(command, toldNext);
    if (command.kind === 'end') this.#isOver = true;
  }

  /** Ends the run of the others, where it has not ended, with these words. */
  giveUp(error: unknown): void {
    if (!this.#isOver) this.communicator.giveUp(isError(error) ? error.message : String(error));
    this.#isOver = true;
  }
}

/** @throws {BurgeonError} ERR_BURGEON_CONFIG where this is not rank 0, and as `requireShares`. */
export function requireLead(config: TrainConfig, communicator: Communicator): void {
  if (communicator.rank !== 0) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `ranks: expected a Trainer in rank 0 alone, this is rank ${communicator.rank}; the others call follow()`,
    );
  }
  requireShares(config, communicator);
}

/** @throws {BurgeonError} ERR_BURGEON_CONFIG where the micro-batches of a stage cannot be dealt to the ranks in equal parts. */
export function requireShares(config: SharedConfig, ranks: RankOf): void {
  for (const microBatches of microBatchesOfStages(config)) shareOf(microBatches, ranks);
}

/** Most ranks, fewer than these and at least two, to which the micro-batches of every stage can be dealt. */
export function fewerRanks(config: SharedConfig, ranks: number): number | undefined {
  const all = microBatchesOfStages(config);
  for (let fewer = ranks - 1; fewer > 1; fewer--)
    if (all.every((microBatches) => microBatches % fewer === 0)) return fewer;
  return undefined;
}

type SharedConfig = Pick<TrainConfig, 'est' | 'steps' | 'batchSize' | 'accumulationSteps'>;

function microBatchesOfStages({ est, steps, batchSize, accumulationSteps }: SharedConfig): number[] {
  const schedule = new Schedule(est.schedule, steps);
  return schedule.stages.map(({ startStep }) => {
    const { batchSize: own = batchSize } = schedule.at(startStep);
    return (batchSize * accumulationSteps) / own;
  });
}
