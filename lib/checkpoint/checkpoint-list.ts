// The checkpoints of a run directory: which exist, which are intact, which to keep. Goes by names, manifests and file
// sizes; contents are verified when one is opened (readCheckpoint in checkpoint.ts).

import { readdir } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { BurgeonError } from '../errors.ts';
import { isMissing } from '../files/is-missing.ts';
import { exists } from '../files/path-kinds.ts';
import { clearLeftovers, nameBehind, removeDirectory } from '../files/replace-directory.ts';
import { checkpointError, explainFailedWrite, explainFailure } from '../formats/checkpoint-error.ts';
import { checkpointName, stepOfName, verifyCheckpoint } from './checkpoint.ts';
import { findDamage } from './manifest.ts';

/** One checkpoint directory. */
export interface FoundCheckpoint {
  readonly step: number;
  readonly directory: string;
  /** Whether it is complete: a manifest, and every file in it with its size. */
  readonly valid: boolean;
  /** What is wrong with it; undefined when valid. */
  readonly problem: string | undefined;
}

/** "<directory>: <problem>", the directory once; for what is not valid. */
export function damageText({ directory, problem = '' }: FoundCheckpoint): string {
  const [isOfFile, isOfAll] = [problem.startsWith(`${directory}${sep}`), problem.startsWith(`${directory}: `)];
  return `${directory}: ${isOfFile || isOfAll ? problem.slice(directory.length + 1).trimStart() : problem}`;
}

/** All checkpoints of a run, oldest step first; none when the directory does not exist. Changes nothing. */
export function findCheckpoints(runDirectory: string): Promise<FoundCheckpoint[]> {
  return explainFailure(`listing checkpoints in ${runDirectory}`, async () => {
    const entries = await readdir(runDirectory).catch((error): string[] => {
      if (isMissing(error)) return [];
      throw error;
    });
    const found: FoundCheckpoint[] = [];
    for (const entry of entries) {
      // A checkpoint whose replacement was interrupted still stands under the name it was set aside to.
      const name = nameBehind(entry);
      const step = stepOfName(name);
      if (step === undefined || (entry !== name && entries.includes(name))) continue;
      found.push(await inspect(resolve(runDirectory, entry), step));
    }
    return found.sort((a, b) => a.step - b.step);
  });
}

async function inspect(directory: string, step: number): Promise<FoundCheckpoint> {
  try {
    const manifest = await verifyCheckpoint(directory);
    if (manifest.step === step) return { step, directory, valid: true, problem: undefined };
    throw checkpointError(
      `${directory}: expected step ${step}, found step ${manifest.step}: renamed or copied by hand`,
    );
  } catch (error) {
    return { step, directory, valid: false, problem: (error as Error).message };
  }
}

/**
 * The newest complete checkpoint, undefined when there is none.
 * @returns also the incomplete ones that are newer, newest first, so that the caller can report them.
 */
export async function latestCheckpoint(
  runDirectory: string,
): Promise<{ latest: FoundCheckpoint | undefined; skipped: FoundCheckpoint[] }> {
  const newestFirst = (await findCheckpoints(runDirectory)).reverse();
  const index = newestFirst.findIndex(({ valid }) => valid);
  return { latest: newestFirst[index], skipped: index < 0 ? newestFirst : newestFirst.slice(0, index) };
}

/**
 * The newest checkpoint whose files have the hashes of its manifest: one pass over all bytes of it. Everything that reads from a run
 * goes by this.
 * @param isNeeded the files that will be read; all unless given.
 * @returns also newer ones that are incomplete or damaged.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT where one cannot be read.
 */
export function latestIntactCheckpoint(
  runDirectory: string,
  isNeeded: (file: string) => boolean = () => true,
): Promise<{ latest: FoundCheckpoint | undefined; skipped: FoundCheckpoint[] }> {
  return explainFailure(`reading checkpoints in ${runDirectory}`, async () => {
    const skipped: FoundCheckpoint[] = [];
    for (const found of (await findCheckpoints(runDirectory)).reverse()) {
      const damage = found.valid ? await damageOf(found.directory, isNeeded) : undefined;
      // Its run goes on, and has replaced it by newer ones meanwhile.
      if (damage === 'deleted') return latestIntactCheckpoint(runDirectory, isNeeded);
      if (found.valid && damage === undefined) return { latest: found, skipped };
      skipped.push(damage === undefined ? found : { ...found, valid: false, problem: damage.message });
    }
    return { latest: undefined, skipped };
  });
}

async function damageOf(
  directory: string,
  isNeeded: (file: string) => boolean,
): Promise<BurgeonError | 'deleted' | undefined> {
  try {
    const manifest = await verifyCheckpoint(directory);
    const files = Object.entries(manifest.files).filter(([name]) => isNeeded(name));
    return await findDamage(directory, { ...manifest, files: Object.fromEntries(files) });
  } catch (error) {
    if (!(await exists(directory))) return 'deleted';
    if (error instanceof BurgeonError) return error;
    throw error;
  }
}

/** Finishes or undoes what a kill amid writing or deleting a checkpoint left. @throws {BurgeonError} ERR_BURGEON_CHECKPOINT. */
export function clearInterrupted(runDirectory: string): Promise<void> {
  return explainFailedWrite(`clearing interrupted checkpoints in ${runDirectory}`, 'whole ones are kept', () =>
    clearLeftovers(runDirectory, (name) => stepOfName(name) !== undefined),
  );
}

/** Which checkpoints pruneCheckpoints leaves. */
export interface KeepRule {
  /** How many of the newest to keep; at least 1. */
  readonly keepLast: number;
  /** Step of one more to keep, wherever it stands: the one with the best validation loss. */
  readonly best?: number | undefined;
}

/**
 * Deletes the complete checkpoints that the rule does not keep, oldest first. Incomplete ones are neither counted nor
 * touched: burgeon does not make them, so someone should look.
 * @returns the directories deleted.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT
 */
export function pruneCheckpoints(runDirectory: string, { keepLast, best }: KeepRule): Promise<string[]> {
  return explainFailedWrite(`pruning checkpoints in ${runDirectory}`, 'none but those is deleted', async () => {
    if (!Number.isSafeInteger(keepLast) || keepLast < 1) {
      throw checkpointError(`keepLast: expected a whole number from 1, received ${keepLast}`);
    }
    const complete = (await findCheckpoints(runDirectory)).filter(({ valid }) => valid);
    const doomed = complete.slice(0, -keepLast).filter(({ step }) => step !== best);
    for (const { directory } of doomed) await removeDirectory(directory);
    return doomed.map(({ step }) => join(runDirectory, checkpointName(step)));
  });
}
