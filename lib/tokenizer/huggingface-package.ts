// Tokenizers that burgeon does not speak itself (WordPiece, Unigram, other split patterns, normalizers), through the
// package @huggingface/tokenizers. Much slower than native encoding, and a text cannot be cut safely: where, only the
// tokenizer knows.

import { Tokenizer as PackageTokenizer } from '@huggingface/tokenizers';
import { BurgeonError } from '../errors.ts';
import { fromPrintable } from './printable-bytes.ts';
import { unknownToken } from './token-bytes.ts';
import type { TokenDecoder, TokenizerCore } from './tokenizer.ts';
import type { TokenizerJson } from './tokenizer-json.ts';

/** @throws {BurgeonError} ERR_BURGEON_DATA when the package cannot read the file. */
export function createPackageTokenizer(
  file: TokenizerJson,
  config: Record<string, unknown>,
  endOfText: number | undefined,
): TokenizerCore {
  // Special tokens are ordinary text when encoding (see Tokenizer.encode), so the encoder does not know them.
  const ordinary = file.addedTokens.filter(({ special }) => !special);
  const encoder = load(file, { ...file.json, added_tokens: ordinary }, {});
  const whole = load(file, file.json, config);
  const lengths = byteLengths(file, endOfText);

  const check = (tokens: ArrayLike<number>) => {
    for (let i = 0; i < tokens.length; i++) {
      if (!file.contents.has(tokens[i]!)) throw unknownToken('huggingface', tokens[i]!, file.vocabSize);
    }
  };
  const decode = (tokens: ArrayLike<number>): string => {
    check(tokens);
    if (tokens.length === 0) return '';
    return whole.decode(Array.from(tokens), {
      skip_special_tokens: false,
      clean_up_tokenization_spaces: config.clean_up_tokenization_spaces === true,
    });
  };
  return {
    encode: (text) => encode(encoder, text, file),
    decode,
    decoder: () => new WholeDecoder(decode),
    byteLength(tokens) {
      check(tokens);
      let length = 0;
      for (let i = 0; i < tokens.length; i++) length += lengths.get(tokens[i]!)!;
      return length;
    },
    cutPoint: () => 0,
  };
}

function load(file: TokenizerJson, json: Record<string, unknown>, config: Record<string, unknown>): PackageTokenizer {
  // The package asks for all of them; files need not have what is null.
  const parts = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] };
  try {
    return new PackageTokenizer({ ...parts, ...json }, config);
  } catch (cause) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${file.source}: this kind of tokenizer cannot be used (${(cause as Error).message})`,
      { cause },
    );
  }
}

function encode(encoder: PackageTokenizer, text: string, { source, contents }: TokenizerJson): Int32Array {
  // It takes half a surrogate pair for a character, which no file can hold.
  const { ids } = encoder.encode(text.replace(/\p{Surrogate}/gu, '\uFFFD'), { add_special_tokens: false });
  const unknown = ids.findIndex((id: number) => !contents.has(id));
  if (unknown >= 0) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `text: expected what the vocabulary of ${source} has tokens for, found something it has none for`,
    );
  }
  return Int32Array.from(ids);
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

/** What a token adds to the text may depend on those before it, so each time all are decoded. */
class WholeDecoder implements TokenDecoder {
  readonly #decode: (tokens: readonly number[]) => string;
  #tokens: number[] = [];
  #given = '';

  constructor(decode: (tokens: readonly number[]) => string) {
    this.#decode = decode;
  }

  push(token: number): string {
    const text = this.#decode([...this.#tokens, token]);
    this.#tokens.push(token);
    // The bytes of an unfinished character show as U+FFFD until the rest comes.
    return this.#give(text.replace(/\uFFFD+$/, ''));
  }

  end(): string {
    const rest = this.#give(this.#decode(this.#tokens));
    this.#tokens = [];
    this.#given = '';
    return rest;
  }

  #give(text: string): string {
    if (text.length <= this.#given.length) return '';
    const more = text.slice(this.#given.length);
    this.#given = text;
    return more;
  }
}
