// The checkpoint of a run with the lowest held-out loss, as its newest checkpoint remembers it.

import path from 'node:path';
import { checkpointName } from '../checkpoint/checkpoint.ts';
import { damageText, findCheckpoints, latestIntactCheckpoint } from '../checkpoint/checkpoint-list.ts';
import { checkpointError } from '../formats/checkpoint-error.ts';
import { readRunState } from './checkpoint-part.ts';

/**
 * @param run directory of the run.
 * @param onNote is told of newer checkpoints that are damaged, and passed over.
 * @returns directory of the checkpoint.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT where it has none, none was evaluated, or the best is no longer there.
 */
export async function findBestCheckpoint(run: string, onNote: (note: string) => void = () => {}): Promise<string> {
  const { latest, skipped } = await latestIntactCheckpoint(run);
  for (const damaged of skipped) onNote(`passed over checkpoint ${damageText(damaged)}`);
  if (latest === undefined) {
    throw checkpointError(`${run}: expected a run directory with checkpoints to find the best of, found none in it`);
  }
  const best = (await readRunState(latest.directory))?.best ?? null;
  if (best === null) {
    throw checkpointError(
      `${run}: expected a checkpoint with a held-out loss, none was evaluated; the newest is there`,
    );
  }
  const found = (await findCheckpoints(run)).find(({ step, valid }) => valid && step === best.step);
  if (found !== undefined) return found.directory;
  throw checkpointError(
    `${path.join(run, checkpointName(best.step))}: expected the best checkpoint, with held-out loss ${best.loss.toFixed(4)}, found none; checkpoint.keepBest keeps it, and the newest is there`,
  );
}
