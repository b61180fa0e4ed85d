// A rank that is not the first: it does its share of every step and evaluation, as rank 0 tells it, and writes nothing.

import { ShardCheck } from '../data/shard-check.ts';
import { BurgeonError, isError } from '../errors.ts';
import { Model } from '../model/model.ts';
import type { Communicator } from '../ranks/communicator.ts';
import { createTokenizer } from '../tokenizer/open-tokenizer.ts';
import { evaluate } from './evaluator.ts';
import { type Beginning, type Command, toldFirst, toldNext } from './lead.ts';
import { findData, openData, readInput } from './open-data.ts';
import { modelOptions } from './restore.ts';
import { StepPlanner } from './step-planner.ts';
import { trainStep } from './train-step.ts';

export interface FollowOptions {
  /** Called after every step. */
  onStep?: ((step: number) => void) | undefined;
  /** Stops the run of all ranks, with a checkpoint. */
  signal?: AbortSignal | undefined;
}

/**
 * Trains along with the `Trainer` of rank 0 until its run ends; configuration, weights and moments come from there, the data are read
 * at the same paths.
 * @returns whether the run is complete; else it was stopped.
 * @throws {BurgeonError} ERR_BURGEON_RANKS where another rank is lost or gives up; ERR_BURGEON_DATA where the data are not those of rank
 *   0; whatever opening data and model throws. The others are told.
 */
export async function follow(communicator: Communicator, options: FollowOptions = {}): Promise<boolean> {
  try {
    const beginning = await communicator.broadcast<Beginning>(undefined, toldFirst);
    const dataset = await openData(beginning.config);
    const { train = [], validation = [] } = dataset.hashed ?? {};
    const check = new ShardCheck([...validation, ...train]);
    try {
      return await followRun(communicator, beginning, dataset, check, options);
    } finally {
      await check.stop();
      await dataset.close();
    }
  } catch (error) {
    const isOthers = error instanceof BurgeonError && error.code === 'ERR_BURGEON_RANKS';
    if (!isOthers) communicator.giveUp(isError(error) ? error.message : String(error));
    throw error;
  }
}

async function followRun(
  communicator: Communicator,
  { config, model: shape, data, windows, moments }: Beginning,
  dataset: Awaited<ReturnType<typeof openData>>,
  check: ShardCheck,
  { onStep, signal }: FollowOptions,
): Promise<boolean> {
  const found = await findData(dataset, config.sequenceLength);
  if (JSON.stringify([found.train, found.validation]) !== JSON.stringify([data.train, data.validation])) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `rank ${communicator.rank}: expected the data of rank 0, found others at the same paths (${dataset.train.files[0]?.path ?? 'no file'})`,
    );
  }
  const tokenizer = dataset.tokenizer && createTokenizer(dataset.tokenizer);
  const { loader, validation } = await readInput(dataset, config, tokenizer, { found, windows });
  const planner = new StepPlanner(shape, config);
  using model = await Model.create(shape, { ...modelOptions(config, communicator), seed: config.seed });
  await model.broadcastState(communicator);
  for (const { name, which } of moments) {
    await model.setMoment(name, which, undefined, communicator);
  }
  for (;;) {
    const command = await communicator.broadcast<Command>(undefined, toldNext);
    if (command.kind === 'end') return command.isComplete;
    if (command.kind === 'moment') {
      await model.moment(command.name, command.which, communicator);
      continue;
    }
    if (check.failure) throw check.failure;
    if (command.kind === 'step') {
      const outcome = await trainStep({ config, model, loader, planner, communicator, signal }, command.step);
      if (outcome) onStep?.(command.step + 1);
    } else if (validation) {
      const subnetwork = planner.at(Math.max(0, command.step - 1)).trainedSubnetwork;
      await evaluate(model, validation, { subnetwork, communicator });
    }
  }
}
