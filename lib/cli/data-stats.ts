// burgeon data stats: what is in the tokens of a data set, as tables.

import { hasBoundaries } from '../data/find-document.ts';
import type { DataManifest } from '../data/manifest.ts';
import { type LengthStatistics, type TokenStatistics, tokenStatistics } from '../data/token-statistics.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { unknownId } from '../tokenizer/unknown-id.ts';
import { onStdout } from './colour.ts';
import { reading, type SplitName, withData } from './data-split.ts';
import { bytes, count, counted, facts, percent, table } from './format.ts';
import { quotedToken, type TextToken } from './token-text.ts';

interface SplitStatistics {
  split: SplitName;
  tokens: number;
  /** As the manifest says; those of shards are counted. */
  documents: number;
  bytes: number;
  /** Of the tokens; null where the tokenizer has no such token. */
  unknown: { tokens: number; share: number } | null;
  lengths: LengthStatistics | null;
  shards: { file: string; tokens: number; documents: number | null; unknown: number }[];
  mostFrequent: (TextToken & { count: number; share: number })[];
  /** Different tokens that occur. */
  seen: number;
}

interface Statistics {
  directory: string;
  tokenizer: string;
  vocabSize: number;
  delimiter: TextToken | null;
  unknownToken: TextToken | null;
  splits: SplitStatistics[];
  /** Tokens of the vocabulary that occur in no split, and those that only validation has. */
  neverSeen: { tokens: number; share: number; first: TextToken[] };
  onlyInValidation: number;
  skipped: DataManifest['skipped'];
}

/** Tokens never seen that are named. */
const mostNamed = 8;
const barWidth = 32;

export async function showStatistics(directory: string, flags: { top: number; json?: boolean }): Promise<void> {
  const statistics = await statisticsOf(directory, flags.top);
  if (statistics === undefined) return;
  console.log(flags.json ? JSON.stringify(statistics, null, 2) : describe(statistics));
}

async function statisticsOf(directory: string, top: number): Promise<Statistics | undefined> {
  return withData(directory, async ({ manifest, tokenizer, splits }) => {
    const unknown = unknownId(tokenizer);
    const { vocabSize, delimiter } = manifest;
    const total = splits.reduce((sum, { source }) => sum + source.tokenCount, 0);
    const counted = await reading(total, async (watched) => {
      const all: TokenStatistics[] = [];
      for (const { source, manifest: split } of splits) {
        const isOneDocument = delimiter === null && hasBoundaries(manifest, split);
        const options = { vocabSize, delimiter: delimiter?.token ?? null, isOneDocument, unknown, ...watched };
        all.push(await tokenStatistics(source, options));
      }
      return all;
    });
    if (counted === undefined) return undefined;
    const isSeen = (id: number) => counted.map(({ counts }) => counts[id]! > 0);
    const ids = Array.from({ length: vocabSize }, (_, id) => id);
    const never = ids.filter((id) => !isSeen(id).includes(true));
    return {
      ...{ directory, tokenizer: tokenizer.name, vocabSize },
      delimiter: delimiter && named(tokenizer, delimiter.token),
      unknownToken: unknown === undefined ? null : named(tokenizer, unknown),
      splits: splits.map(({ name, manifest: split }, i) => ({
        split: name,
        documents: split.documents,
        bytes: split.bytes,
        ...describeCounts(counted[i]!, tokenizer, top, unknown),
        shards: counted[i]!.shards.map((shard, j) => ({
          file: split.files[j]!,
          ...shard,
          documents: counted[i]!.lengths === undefined ? null : shard.documents,
        })),
      })),
      neverSeen: {
        tokens: never.length,
        share: never.length / vocabSize,
        first: never.slice(0, mostNamed).map((id) => named(tokenizer, id)),
      },
      onlyInValidation: ids.filter((id) => isSeen(id)[0] === false && isSeen(id)[1] === true).length,
      skipped: manifest.skipped,
    };
  });
}

function describeCounts(
  { tokens, counts, lengths, shards }: TokenStatistics,
  tokenizer: Tokenizer,
  top: number,
  unknown: number | undefined,
) {
  const order = Array.from(counts, (n, id) => ({ n, id })).filter(({ n }) => n > 0);
  const unknownTokens = shards.reduce((sum, shard) => sum + shard.unknown, 0);
  return {
    tokens,
    unknown: unknown === undefined ? null : { tokens: unknownTokens, share: unknownTokens / tokens },
    lengths: lengths ?? null,
    mostFrequent: order
      .toSorted((a, b) => b.n - a.n || a.id - b.id)
      .slice(0, top)
      .map(({ n, id }) => ({ ...named(tokenizer, id), count: n, share: n / tokens })),
    seen: order.length,
  };
}

/** A token on its own. Special tokens decode to nothing in some vocabularies. */
function named(tokenizer: Tokenizer, id: number): TextToken {
  return {
    id,
    text: id === tokenizer.endOfText && tokenizer.decode([id]) === '' ? '<end of text>' : tokenizer.decode([id]),
  };
}

function describe(statistics: Statistics): string {
  const { directory, tokenizer, vocabSize, delimiter, splits, skipped } = statistics;
  const separated = delimiter
    ? `token ${delimiter.id} ${quotedToken(delimiter)} stands before each`
    : 'not to be told apart: the vocabulary has no end-of-text token';
  const isKnown = splits.some(({ lengths }) => lengths !== null);
  return [
    onStdout.title(directory),
    facts([
      ['tokenizer', `${tokenizer}, vocabulary ${vocabSize}`],
      ['documents', separated],
    ]),
    '',
    splitTable(splits),
    '',
    ...(isKnown ? [lengthTable(splits), '', ...splits.flatMap(histogram)] : []),
    vocabularyText(statistics),
    '',
    ...frequentTable(splits),
    `left out: ${counted(skipped.nearDuplicates, 'near-duplicate')}${skipped.list ? ` (\`burgeon data dropped ${directory}\`)` : ''}, ${counted(skipped.empty, 'empty document')}`,
  ].join('\n');
}

function splitTable(splits: readonly SplitStatistics[]): string {
  const hasUnknown = splits.some(({ unknown }) => unknown !== null);
  const share = (unknown: number, tokens: number) => (hasUnknown ? [percent(unknown / tokens, 2)] : []);
  return table([
    ['', 'tokens', 'documents', 'text', 'bytes/token', ...(hasUnknown ? ['unknown'] : [])],
    ...splits.flatMap(({ split, tokens, documents, bytes: size, unknown, shards }) => [
      [
        split,
        count(tokens),
        String(documents),
        bytes(size),
        (size / tokens).toFixed(2),
        ...share(unknown?.tokens ?? 0, tokens),
      ],
      ...(shards.length === 1 ? [] : shards).map((shard) => [
        `  ${shard.file}`,
        count(shard.tokens),
        shard.documents === null ? '' : String(shard.documents),
        '',
        '',
        ...share(shard.unknown, shard.tokens),
      ]),
    ]),
  ]);
}

function lengthTable(splits: readonly SplitStatistics[]): string {
  const rows = splits.flatMap(({ split, lengths }) =>
    lengths === null
      ? []
      : [
          [
            split,
            ...(['min', 'p5', 'p25', 'p50', 'p75', 'p95', 'max'] as const).map((key) => String(lengths[key])),
            lengths.mean.toFixed(1),
          ],
        ],
  );
  return table([['tokens of a document', 'min', '5 %', '25 %', 'median', '75 %', '95 %', 'max', 'mean'], ...rows]);
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

function histogram({ split, lengths }: SplitStatistics): string[] {
  if (lengths === null || lengths.documents === 1) return [];
  const most = Math.max(...lengths.histogram.map(({ documents }) => documents));
  const rows = lengths.histogram.map(({ from, to, documents }) => {
    const filled = Math.ceil((8 * barWidth * documents) / most);
    const bar = '█'.repeat(Math.floor(filled / 8)) + eighths[filled % 8];
    return { range: from === to ? String(from) : `${from} to ${to}`, bar, documents: String(documents) };
  });
  const widths = [
    Math.max(...rows.map(({ range }) => range.length)),
    Math.max(...rows.map((row) => row.documents.length)),
  ];
  return [
    `  documents in ${split}, by their tokens`,
    ...rows.map(({ range, bar, documents }) =>
      `  ${range.padStart(widths[0]!)}  ${documents.padStart(widths[1]!)} ${bar}`.trimEnd(),
    ),
    '',
  ];
}

function vocabularyText({ vocabSize, neverSeen, onlyInValidation, unknownToken, splits }: Statistics): string {
  const names = neverSeen.first.map(quotedToken).join(' ');
  const more = neverSeen.tokens > neverSeen.first.length ? ' ...' : '';
  return facts([
    ['seen', `${splits.map(({ split, seen }) => `${seen} in ${split}`).join(', ')}, of ${vocabSize}`],
    [
      'never seen',
      `${neverSeen.tokens} (${percent(neverSeen.share)})${neverSeen.tokens > 0 ? `: ${names}${more}` : ''}`,
    ],
    ...(splits.length > 1 ? ([['only in validation', String(onlyInValidation)]] as const) : []),
    [
      'unknown',
      unknownToken
        ? `token ${unknownToken.id} ${quotedToken(unknownToken)}`
        : 'the tokenizer has no token for unknown text',
    ],
  ]);
}

function frequentTable(splits: readonly SplitStatistics[]): string[] {
  const rows = splits[0]!.mostFrequent.map((token) => [
    quotedToken(token),
    String(token.id),
    count(token.count),
    percent(token.share),
  ]);
  return rows.length === 0 ? [] : [table([['most frequent in train', 'id', 'count', 'share'], ...rows]), ''];
}
