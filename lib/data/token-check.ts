// Looks at a sample of token files from elsewhere, whose numbers nobody vouches for: ids of another type or tokenizer train
// without a word otherwise. Also whether training and validation read the same tokens.

import { BurgeonError } from '../errors.ts';
import { identifyTokens } from './data-identity.ts';
import { openTokenFile, type TokenFile } from './token-file.ts';
import type { TokenFileOptions } from './token-layout.ts';
import { TokenSource } from './token-source.ts';

/** Tokens looked at, of all files together; each gives one block at least. */
const sampleTokens = 1 << 20;
/** A multiple of 4, so that ids of 8 bytes read as 2 begin at the same places in every block. */
const blockTokens = 1 << 12;

/** With a sample this large, text shows more of its vocabulary than this share: licences and manuals show 10 % of GPT-2's. */
const tellingSample = 1 << 16;
const leastSeen = 0.02;

/** Of ids of 4 bytes read as 2, every second one is 0 in a vocabulary below 65,536. */
const zerosOfWideIds = 0.95;
const zerosOfTokens = 0.5;
/** Fewer tokens tell nothing. */
const leastTokens = 64;

/**
 * Checks a sample of files.
 * @param split for messages.
 * @returns what is odd, for people.
 * @throws {BurgeonError} ERR_BURGEON_DATA for ids above the vocabulary, or that look like another type.
 */
export async function checkTokenFiles(
  source: TokenSource,
  { vocabSize, dtype }: TokenFileOptions,
  split: 'train' | 'validation',
): Promise<string[]> {
  const blocks = Math.max(1, Math.floor(sampleTokens / blockTokens / source.files.length));
  const seen = new Set<number>();
  let [total, largest] = [0, 0];
  for (const { path, format } of source.files) {
    const sample = await sampleFile(path, dtype, blocks);
    if (format === 'raw' && dtype === undefined) requireType(path, sample);
    if (vocabSize !== undefined) requireVocabulary(path, sample, vocabSize);
    for (const tokens of sample) {
      total += tokens.length;
      for (const token of tokens) {
        seen.add(token);
        if (token > largest) largest = token;
      }
    }
  }
  if (vocabSize === undefined || total < tellingSample || seen.size >= leastSeen * vocabSize) return [];
  return [
    `${split}: of a vocabulary of ${vocabSize} tokens only ${seen.size} occur in a sample of ${total}, the largest ${largest}; ` +
      'if they are of another tokenizer, set model.vocabSize to its size',
  ];
}

/** Blocks of a file, evenly spaced; opened anew, without a vocabulary that would end the reading. */
async function sampleFile(path: string, dtype: TokenFileOptions['dtype'], most: number): Promise<Int32Array[]> {
  const file = await openTokenFile(path, { dtype });
  try {
    const available = Math.ceil(file.tokenCount / blockTokens);
    const count = Math.min(most, available);
    const sample: Int32Array[] = [];
    for (let i = 0; i < count; i++) {
      const start = blockTokens * Math.floor((i * available) / count);
      sample.push(await file.readTokens(start, Math.min(blockTokens, file.tokenCount - start)));
    }
    return sample;
  } finally {
    await file.close();
  }
}

function requireVocabulary(path: string, sample: readonly Int32Array[], vocabSize: number): void {
  let [total, above, largest] = [0, 0, 0];
  for (const tokens of sample) {
    total += tokens.length;
    for (const token of tokens) {
      if (token >= vocabSize) above++;
      if (token > largest) largest = token;
    }
  }
  if (above === 0) return;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${path}: expected tokens below ${vocabSize}, the vocabulary size; of a sample of ${total} tokens ` +
      `${((100 * above) / total).toPrecision(2)} % are not, the largest is ${largest}; they are of another tokenizer, or ids ` +
      'of another type (data.dtype; --dtype of `burgeon eval`)',
  );
}

/** Refuses ids of 4 or 8 bytes that are read as 2. */
function requireType(path: string, sample: readonly Int32Array[]): void {
  const zeros = [0, 0, 0, 0];
  let total = 0;
  for (const tokens of sample) {
    total += tokens.length;
    for (let i = 0; i < tokens.length; i++) if (tokens[i] === 0) zeros[i % 4]!++;
  }
  if (total < leastTokens) return;
  const [first, second, third, fourth] = zeros.map((count) => (4 * count) / total) as [number, number, number, number];
  const isWide = Math.min(second, fourth) > zerosOfWideIds && first < zerosOfTokens;
  if (!isWide || (third >= zerosOfTokens && third <= zerosOfWideIds)) return;
  const types = third > zerosOfWideIds ? 'int64' : 'uint32 or int32';
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${path}: expected raw uint16 tokens, found that ${types === 'int64' ? 'three of four are' : 'every second one is'} 0, as ` +
      `when ids of ${types} are read so; say which they are (data.dtype, or --dtype of \`burgeon eval\`: ${types}; uint16 if this is right)`,
  );
}

/**
 * Finds files that training and validation share: the same file under any name, or a copy of it.
 * @returns one warning, or none.
 * @throws {BurgeonError} ERR_BURGEON_DATA for a failed read.
 */
export async function warnOfSharedFiles(train: TokenSource, validation: TokenSource): Promise<string[]> {
  const names = new Map<string, TokenFile>();
  for (const file of train.files) names.set(await file.identify(), file);
  for (const file of validation.files) {
    const twin = names.get(await file.identify()) ?? (await findCopy(file, train.files));
    if (twin === undefined) continue;
    const isCopy = twin.path !== file.path;
    return [
      `validation reads ${file.path}, ${isCopy ? `the same tokens as ${twin.path}, which` : 'which'} training reads too: the ` +
        'held-out loss will say nothing about new text; hold other tokens out',
    ];
  }
  return [];
}

async function findCopy(file: TokenFile, others: readonly TokenFile[]): Promise<TokenFile | undefined> {
  for (const other of others) {
    if (other.tokenCount !== file.tokenCount || file.tokenCount === 0) continue;
    const [head, otherHead] = await Promise.all(
      [file, other].map((one) => one.readTokens(0, Math.min(blockTokens, one.tokenCount))),
    );
    // A sample of all that is alike takes longer.
    if (!Buffer.from(head!.buffer).equals(Buffer.from(otherHead!.buffer))) continue;
    const [one, two] = [await identifyTokens(new TokenSource([file])), await identifyTokens(new TokenSource([other]))];
    if (one.sample === two.sample) return other;
  }
  return undefined;
}
