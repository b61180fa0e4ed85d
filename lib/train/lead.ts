// How rank 0 of a run leads the others: it alone has the run directory, and tells them what to do next. They hold the same
// model and data, so a step needs no more than its number.

import type { ModelConfig } from '../config/model-config.ts';
import type { WindowRule } from '../data/token-source.ts';
import { BurgeonError, isError } from '../errors.ts';
import { Schedule } from '../est/schedule.ts';
import type { Model } from '../model/model.ts';
import type { Communicator } from '../ranks/communicator.ts';
import { type RankOf, shareOf } from '../ranks/shares.ts';
import type { FoundData } from './data-record.ts';
import type { TrainConfig } from './train-config.ts';

/** What the others are told first. */
export interface Beginning {
  /** In force. */
  config: TrainConfig;
  model: ModelConfig;
  data: FoundData;
  windows: WindowRule;
}

/** What they are told next. */
export type Command = { kind: 'step' | 'evaluate'; step: number } | { kind: 'end'; isComplete: boolean };

export const toldFirst = 'the beginning of the run';
export const toldNext = 'what is next';

export class Lead {
  readonly communicator: Communicator;
  #isOver = false;

  private constructor(communicator: Communicator) {
    this.communicator = communicator;
  }

  /** Tells the others of the run, and gives them the model as it is. @throws {BurgeonError} ERR_BURGEON_RANKS. */
  static async begin(communicator: Communicator, beginning: Beginning, model: Model): Promise<Lead> {
    await communicator.broadcast(beginning, toldFirst);
    await model.broadcastState(communicator);
    return new Lead(communicator);
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
export function requireShares(
  { est, steps, batchSize, accumulationSteps }: Pick<TrainConfig, 'est' | 'steps' | 'batchSize' | 'accumulationSteps'>,
  ranks: RankOf,
): void {
  const schedule = new Schedule(est.schedule, steps);
  for (const { startStep } of schedule.stages) {
    const { batchSize: own = batchSize } = schedule.at(startStep);
    shareOf((batchSize * accumulationSteps) / own, ranks);
  }
}
