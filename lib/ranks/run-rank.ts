// What a rank of several does. Rank 0 leads: it does what a process alone does, on all ranks. The others follow.

import { BurgeonError } from '../errors.ts';
import type { TrainConfig } from '../train/train-config.ts';
import { describeRank, type RankPlace } from './place.ts';

/**
 * Trains as one rank of several, to the end of the run.
 * @param place of this process.
 * @param config the same on every rank.
 * @param lead what a process alone does, from the output directory to the summary; called on rank 0 only.
 * @throws {BurgeonError} what ends the run, on every rank.
 */
export async function runRank(place: RankPlace, config: TrainConfig, lead: () => Promise<void>): Promise<void> {
  // THE ONE PLACE TO FILL before this is merged: connect the ranks at place.address and place.port, then lead or follow.
  void [config, lead];
  throw new BurgeonError('ERR_BURGEON_CONFIG', `${describeRank(place)}: training by several ranks is not built yet`);
}
