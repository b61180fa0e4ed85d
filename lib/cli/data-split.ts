// A split of a prepared data set, opened to look at.

import { loadDataset } from '../data/dataset.ts';
import { type DataManifest, readManifest, type SplitManifest } from '../data/manifest.ts';
import type { TokenSource } from '../data/token-source.ts';
import { BurgeonError } from '../errors.ts';
import { createTokenizer } from '../tokenizer/open-tokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { count, percent } from './format.ts';
import { interruptSignal } from './interrupt.ts';
import { ProgressLine } from './progress.ts';

export type SplitName = 'train' | 'validation';

export interface OpenData {
  manifest: DataManifest;
  tokenizer: Tokenizer;
  /** Those that the data set has, train first. */
  splits: { name: SplitName; source: TokenSource; manifest: SplitManifest }[];
}

/**
 * Opens a data set for as long as `use` takes.
 * @throws {BurgeonError} ERR_BURGEON_DATA when it is none, or its shards are missing or damaged.
 */
export async function withData<Result>(directory: string, use: (data: OpenData) => Promise<Result>): Promise<Result> {
  const manifest = await readManifest(directory);
  const dataset = await loadDataset({ directory });
  try {
    const splits = (['train', 'validation'] as const).flatMap((name) => {
      const [source, split] = [dataset[name], manifest.splits[name]];
      return source && split ? [{ name, source, manifest: split }] : [];
    });
    return await use({ manifest, tokenizer: createTokenizer(manifest.tokenizer), splits });
  } finally {
    await dataset.close();
  }
}

/** @throws {BurgeonError} ERR_BURGEON_DATA where there is no such split. */
export function requireSplit({ splits }: OpenData, name: SplitName, directory: string): OpenData['splits'][number] {
  const split = splits.find((each) => each.name === name);
  if (split) return split;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${directory}: expected a ${name} split, the data set has only ${splits.map((each) => each.name).join(' and ')}`,
  );
}

/**
 * Shows how much of `total` tokens `read` has read.
 * @returns undefined when the user stopped it, which the exit code says.
 */
export async function reading<Result>(
  total: number,
  read: (watched: { signal: AbortSignal; onRead: (tokens: number) => void }) => Promise<Result>,
): Promise<Result | undefined> {
  const line = new ProgressLine();
  const interrupt = interruptSignal(() => {});
  let done = 0;
  const onRead = (tokens: number) => {
    done += tokens;
    // Less is read before anybody looks.
    if (line.isLive) line.update(() => `${percent(done / total, 0)} of ${count(total)} tokens read`);
  };
  try {
    return await read({ signal: interrupt.signal, onRead });
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    process.exitCode = interrupt.exitCode();
    return undefined;
  } finally {
    line.clear();
    interrupt.release();
  }
}
