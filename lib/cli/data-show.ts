// burgeon data show: one document, token by token.

import { findDocument, hasBoundaries } from '../data/find-document.ts';
import { BurgeonError } from '../errors.ts';
import { CounterRng } from '../est/rng.ts';
import { onStdout } from './colour.ts';
import { type OpenData, reading, requireSplit, type SplitName, withData } from './data-split.ts';
import { table } from './format.ts';
import { markedText, quotedToken, textTokens } from './token-text.ts';

interface ShowFlags {
  split: SplitName;
  seed: number;
  tokens: number | 'all';
  list?: boolean;
  json?: boolean;
}

export async function showDocument(directory: string, wanted: number | undefined, flags: ShowFlags): Promise<void> {
  await withData(directory, async (data) => {
    const split = requireSplit(data, flags.split, directory);
    requireBoundaries(data, split, directory);
    const { documents } = split.manifest;
    if (wanted !== undefined && wanted > documents) {
      throw new BurgeonError(
        'ERR_BURGEON_DATA',
        `${directory}: expected a document from 1 to ${documents}, those of the ${split.name} split, received ${wanted}`,
      );
    }
    const number = wanted ?? 1 + new CounterRng(flags.seed, streamTag).nextBelow(documents);
    const { source } = split;
    const delimiter = data.manifest.delimiter?.token ?? null;
    const span = await reading(source.tokenCount, (watched) => findDocument(source, number, delimiter, watched));
    if (span === undefined) return;
    const shown = flags.tokens === 'all' ? span.count : Math.min(span.count, flags.tokens);
    const tokens = textTokens(data.tokenizer, await source.readTokens(span.start, shown));
    const document = { split: split.name, document: number, documents, start: span.start, tokens: span.count };
    if (flags.json) {
      console.log(
        JSON.stringify({ ...document, shown: tokens, text: tokens.map(({ text }) => text).join('') }, null, 2),
      );
      return;
    }
    const end = span.start + Math.max(0, span.count - 1);
    console.log(
      onStdout.title(
        `document ${number} of ${documents} in ${split.name}: ${span.count} tokens, ${span.start} to ${end} of the split`,
      ),
    );
    const text = flags.list
      ? table([
          ['position', 'id', 'text'],
          ...tokens.map((token, i) => [String(span.start + i), String(token.id), quotedToken(token)]),
        ])
      : markedText(tokens);
    console.log(text);
    if (shown < span.count) {
      console.log(onStdout.aside(`${span.count - shown} more tokens; --tokens all shows them`));
    }
  });
}

/** First path element of the random stream used here ("show"). */
const streamTag = 0x73686f77;

function requireBoundaries(
  { manifest, tokenizer }: OpenData,
  split: OpenData['splits'][number],
  directory: string,
): void {
  if (hasBoundaries(manifest, split.manifest)) return;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${directory}: expected tokens with a mark between documents, but the vocabulary of ${tokenizer.name} has no end-of-text token, so that ` +
      `the ${split.manifest.documents} documents of the ${split.name} split cannot be told apart; look at a range of tokens with ` +
      `\`burgeon data decode ${directory} --split ${split.name} --from 0 --count 200 --marked\``,
  );
}
