// A tokenizer.json that burgeon has no native encoder for, as the steps that the file describes: added tokens, normalizer,
// pre-tokenizer, model; and back, the decoder. What is not supported is refused when it is made. Much slower than native
// encoding, and a text cannot be cut safely: where, only all steps together know.

import { fromPrintable } from '../printable-bytes.ts';
import { unknownToken } from '../token-bytes.ts';
import type { TokenDecoder, TokenizerCore } from '../tokenizer.ts';
import type { TokenizerJson } from '../tokenizer-json.ts';
import { createSectionSplitter } from './added-tokens.ts';
import { wellFormed } from './characters.ts';
import { CleanUpStream } from './clean-up.ts';
import { createStages, type Stage } from './decoders.ts';
import { createModel } from './model.ts';
import { createNormalizer, type Normalizer } from './normalizers.ts';
import { createPreTokenizer } from './pre-tokenizers.ts';
import type { Part } from './unsupported.ts';

/** Adds the tokens of text without added tokens. `isFirst`: it begins where the text to encode begins. */
type TextEncoding = (text: string, isFirst: boolean, ids: number[]) => void;

/**
 * @param cleansUp whether decoded text is cleaned up (clean-up.ts).
 * @throws {BurgeonError} ERR_BURGEON_DATA naming what is not supported.
 */
export function createPipelineTokenizer(
  file: TokenizerJson,
  endOfText: number | undefined,
  cleansUp: boolean,
): TokenizerCore {
  const preTokenize = createPreTokenizer(file.json.pre_tokenizer as Part | null);
  const encodePiece = createModel(file);
  const encode = encodeSections(file, createNormalizer(file.json.normalizer as Part | null), (text, isFirst, ids) => {
    for (const piece of preTokenize({ text, isFirst })) if (piece.text !== '') encodePiece(piece.text, ids);
  });
  return {
    encode: (text) => Int32Array.from(encode(wellFormed(text))),
    ...createPipelineDecoder(file, endOfText, cleansUp),
    cutPoint: () => 0,
  };
}

/** Encoding around added tokens; special ones are ordinary text (see Tokenizer.encode). */
export function encodeSections(
  { addedTokens }: TokenizerJson,
  normalize: Normalizer,
  encodeText: TextEncoding,
): (text: string) => number[] {
  const ordinary = addedTokens.filter(({ special }) => !special);
  const splitRaw = createSectionSplitter(
    ordinary.filter(({ normalized }) => !normalized),
    (content) => content,
  );
  const splitNormalized = createSectionSplitter(
    ordinary.filter(({ normalized }) => normalized),
    normalize,
  );
  return (text) => {
    const ids: number[] = [];
    for (const raw of splitRaw(text)) {
      if (raw.id !== undefined) {
        ids.push(raw.id);
        continue;
      }
      for (const section of splitNormalized(normalize(raw.text))) {
        if (section.id === undefined) encodeText(section.text, raw.start === 0 && section.start === 0, ids);
        else ids.push(section.id);
      }
    }
    return ids;
  };
}

/** The half of a tokenizer that makes text of tokens. */
export function createPipelineDecoder(
  file: TokenizerJson,
  endOfText: number | undefined,
  cleansUp: boolean,
): Pick<TokenizerCore, 'decode' | 'decoder' | 'byteLength'> {
  const makeStages = createStages(file.json.decoder as Part | null);
  const lengths = byteLengths(file, endOfText);
  const normalize = createNormalizer(file.json.normalizer as Part | null);
  const contents = new Map(file.contents);
  // The library shows such tokens as it looks for them.
  for (const { id, content, normalized } of file.addedTokens) if (normalized) contents.set(id, normalize(content));
  const contentOf = (token: number): string => {
    const content = contents.get(token);
    if (content === undefined) throw unknownToken('huggingface', token, file.vocabSize);
    return content;
  };
  const decoder = () => new StagedDecoder(contentOf, makeStages, cleansUp);
  return {
    decoder,
    decode(tokens) {
      const stream = decoder();
      const pieces: string[] = [];
      for (let i = 0; i < tokens.length; i++) pieces.push(stream.push(tokens[i]!));
      return pieces.join('') + stream.end();
    },
    byteLength(tokens) {
      let length = 0;
      for (let i = 0; i < tokens.length; i++) {
        contentOf(tokens[i]!);
        length += lengths.get(tokens[i]!)!;
      }
      return length;
    },
  };
}

/** Each token goes through the stages once: a text takes linear time, and its pieces are what it is decoded to as a whole. */
class StagedDecoder implements TokenDecoder {
  readonly #contentOf: (token: number) => string;
  readonly #makeStages: () => Stage[];
  readonly #cleanUp: CleanUpStream | undefined;
  #stages: Stage[];

  constructor(contentOf: (token: number) => string, makeStages: () => Stage[], cleansUp: boolean) {
    this.#contentOf = contentOf;
    this.#makeStages = makeStages;
    this.#cleanUp = cleansUp ? new CleanUpStream() : undefined;
    this.#stages = makeStages();
  }

  push(token: number): string {
    const text = this.#through([this.#contentOf(token)], 0).join('');
    return this.#cleanUp ? this.#cleanUp.push(text) : text;
  }

  end(): string {
    let text = '';
    for (const [i, stage] of this.#stages.entries()) text += this.#through(stage.end(), i + 1).join('');
    this.#stages = this.#makeStages();
    return this.#cleanUp ? this.#cleanUp.push(text) + this.#cleanUp.end() : text;
  }

  #through(tokens: string[], from: number): string[] {
    return this.#stages.slice(from).reduce((passed, stage) => passed.flatMap((token) => stage.push(token)), tokens);
  }
}

/**
 * UTF-8 bytes that each token stands for; endOfText none. Exact for byte-level tokens and bytes such as <0x0A>; of other
 * tokens those of the text, in which U+2581 is a space and a leading ## joins.
 */
function byteLengths({ json, contents }: TokenizerJson, endOfText: number | undefined): Map<number, number> {
  const isByteLevel = JSON.stringify(json.decoder ?? null).includes('"ByteLevel"');
  const lengthOf = (content: string): number => {
    if (isByteLevel) return fromPrintable(content)?.length ?? Buffer.byteLength(content);
    if (/^<0x[0-9A-Fa-f]{2}>$/.test(content)) return 1;
    return Buffer.byteLength(content.replaceAll('\u2581', ' ').replace(/^##(?=.)/s, ''));
  };
  return new Map([...contents].map(([id, content]) => [id, id === endOfText ? 0 : lengthOf(content)]));
}
