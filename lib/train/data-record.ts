// The data of a run as its checkpoints remember them, and whether a run may go on with those it is given. Pure.

import { type DataIdentity, isSameData } from '../data/data-identity.ts';
import type { WindowRule } from '../data/token-source.ts';
import { BurgeonError } from '../errors.ts';
import { counted } from '../format.ts';

export interface DataRecord {
  /** Where windows are cut, for the whole run. */
  windows: WindowRule;
  train: DataIdentity;
  validation: DataIdentity | null;
}

/** What a run is given. */
export interface FoundData extends Omit<DataRecord, 'windows'> {
  /** Tokens that windows within shards would train on; null where there are no shards, and it does not matter where windows are cut. */
  usedWithin: number | null;
}

/**
 * @param saved of the checkpoint; those of earlier versions have none, and windows stay within files as they did.
 * @param trainTokens of the checkpoint: all that earlier versions knew of their data.
 * @returns the record to go on with, and what to tell people.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the training data are others.
 */
export function continueData(
  directory: string,
  { data: saved, trainTokens }: { data?: DataRecord; trainTokens: number },
  { usedWithin, train, validation }: FoundData,
): { data: DataRecord; notes: string[] } {
  const refuse = (problem: string) => {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `cannot resume ${directory} with other training data: ${problem}; use the data the run began with, under any path, or start ` +
        'a new run with another output (initFrom takes over the weights)',
    );
  };
  if (train.tokens !== trainTokens) refuse(`expected ${counted(trainTokens, 'token')}, found ${train.tokens}`);
  if (saved === undefined) {
    const windows = usedWithin === null ? 'across' : 'within';
    return { data: { windows, train, validation }, notes: [earlierNote(usedWithin, trainTokens)] };
  }
  if (train.sample !== saved.train.sample) {
    refuse(`they are as many tokens (${trainTokens}), but not the same ones: another text, order or tokenizer`);
  }
  if (!isSameData(train, saved.train)) {
    refuse('the hashes of the shards in their manifest differ: another text, or shards of another size');
  }
  const isOther = validation !== null && saved.validation !== null && !isSameData(validation, saved.validation);
  const notes = isOther
    ? ['the validation data are not those of the run so far: losses before and after are of different tokens']
    : [];
  return { data: { windows: saved.windows, train, validation }, notes };
}

function earlierNote(usedWithin: number | null, trainTokens: number): string {
  const note =
    'the checkpoint is of an earlier version, which knew only the number of its training tokens: that these are the same ' +
    'tokens is not checked';
  if (usedWithin === null) return note;
  return `${note}; windows stay within each shard, as they were so far, and use ${usedWithin} of ${trainTokens} tokens`;
}
