// burgeon data decode: tokens as text.

import { BurgeonError } from '../errors.ts';
import { listNames, quote } from '../quote.ts';
import { type OpenData, requireSplit, type SplitName, withData } from './data-split.ts';
import { markedText, textTokens } from './token-text.ts';

interface DecodeFlags {
  shard?: string;
  split?: string;
  from?: number;
  count?: number;
  marked?: boolean;
  json?: boolean;
}

const defaultCount = 256;

export async function decodeData(directory: string, ids: number[] | undefined, flags: DecodeFlags): Promise<void> {
  await withData(directory, async (data) => {
    const chosen = await tokensOf(data, directory, ids ?? [], flags);
    const tokens = textTokens(data.tokenizer, chosen);
    const text = tokens.map((token) => token.text).join('');
    if (flags.json) console.log(JSON.stringify({ ids: tokens.map(({ id }) => id), text }));
    else console.log(flags.marked ? markedText(tokens) : text);
  });
}

async function tokensOf(
  data: OpenData,
  directory: string,
  ids: number[],
  flags: DecodeFlags,
): Promise<ArrayLike<number>> {
  const { shard, split, from, count } = flags;
  const ways = [ids.length > 0, shard !== undefined, split !== undefined].filter(Boolean).length;
  if (ways !== 1 || (ids.length > 0 && (from ?? count) !== undefined)) {
    throw new BurgeonError(
      'ERR_BURGEON_CONFIG',
      `data decode: expected token ids, or --shard or --split with --from and --count, received ${ways === 0 ? 'none of them' : 'more than one of them'}`,
    );
  }
  if (ids.length > 0) return ids;
  const range =
    shard === undefined ? requireSplit(data, splitName(split!), directory).source : fileOf(data, directory, shard);
  const start = from ?? 0;
  if (start >= range.tokenCount) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `--from: expected a position from 0 to ${range.tokenCount - 1} in ${shard ?? split}, received ${start}`,
    );
  }
  return range.readTokens(start, Math.min(count ?? defaultCount, range.tokenCount - start));
}

function splitName(text: string): SplitName {
  if (text === 'train' || text === 'validation') return text;
  throw new BurgeonError('ERR_BURGEON_CONFIG', `--split: expected train or validation, received ${quote(text)}`);
}

function fileOf({ splits }: OpenData, directory: string, name: string) {
  const files = splits.flatMap(({ source, manifest }) =>
    source.files.map((file, i) => ({ name: manifest.files[i]!, file })),
  );
  const found = files.find((each) => each.name === name || each.file.path === name);
  if (found) return found.file;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `--shard: expected a shard of ${directory} (${listNames(files.map((each) => each.name))}), received ${quote(name)}`,
  );
}
