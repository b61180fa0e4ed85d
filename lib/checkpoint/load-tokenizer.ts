// The tokenizer of whatever someone names: files of a tokenizer or a model, a run directory, a prepared data set, or a file of llm.c.
// Reading the files is lib/tokenizer/open-tokenizer.ts.

import path from 'node:path';
import { requireText } from '../config/require.ts';
import { manifestFileName, readManifest } from '../data/manifest.ts';
import { isDirectory, isFile } from '../files/path-kinds.ts';
import { descriptionFileName } from '../tokenizer/description.ts';
import { createTokenizer, readTokenizer } from '../tokenizer/open-tokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { latestIntactCheckpoint } from './checkpoint-list.ts';
import { isTokenizerFile } from './model-directory.ts';

/**
 * Reads a tokenizer: of a directory with one (a model, a checkpoint, what `trainTokenizer` wrote), of a tokenizer.json, of a run
 * directory (its newest checkpoint's), or of a prepared data set. A model_*.bin of llm.c has GPT-2's.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for what is no path; ERR_BURGEON_DATA when there is none, or it is damaged.
 */
export async function loadTokenizer(given: string): Promise<Tokenizer> {
  requireText('path', given, 'the path of a tokenizer');
  if (given.endsWith('.bin') && (await isFile(given))) return createTokenizer({ name: 'gpt2' });
  if (!(await isDirectory(given)) || (await hasTokenizer(given))) return readTokenizer(given);
  if (await isFile(path.join(given, manifestFileName))) return createTokenizer((await readManifest(given)).tokenizer);
  const { latest } = await latestIntactCheckpoint(given, isTokenizerFile);
  return readTokenizer(latest?.directory ?? given);
}

async function hasTokenizer(directory: string): Promise<boolean> {
  const names = [descriptionFileName, 'tokenizer.json', 'vocab.json'];
  const found = await Promise.all(names.map((name) => isFile(path.join(directory, name))));
  return found.includes(true);
}
