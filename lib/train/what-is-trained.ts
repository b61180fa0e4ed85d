// For programs: what of a loaded model its run has trained.

import { findModel } from '../checkpoint/find-model.ts';
import { requireText } from '../config/require.ts';
import { partSubnetwork } from '../est/part.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import type { Model } from '../model/model.ts';
import { checkpointPart, trainedLength } from './checkpoint-part.ts';

/** As options of `generate` and `forward`. */
export interface TrainedPart {
  /** Of a run that still grows, the units that it has trained; undefined: all. */
  subnetwork: Subnetwork | undefined;
  /** Tokens of the sequences it was trained on, where the model takes more; undefined: its context length. */
  sequenceLength: number | undefined;
}

/**
 * What a run had trained of a model when its checkpoint was written: a stage of first units leaves the others as they were drawn,
 * and text of the full model is then noise. Everything, for a model that is no checkpoint.
 * @param path what was given to `Model.load`.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT when there is no model, or its state cannot be read.
 */
export async function whatIsTrained(model: Model, path: string): Promise<TrainedPart> {
  requireText('path', path, 'the path of a model');
  const directory = await findModel(path);
  const part = await checkpointPart(directory, model.config);
  return {
    subnetwork: part && partSubnetwork(part, model.config),
    sequenceLength: await trainedLength(directory, model.config),
  };
}
