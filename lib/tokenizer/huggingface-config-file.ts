// tokenizer_config.json and special_tokens_map.json, which transformers writes beside a tokenizer.json: what of them changes
// tokens or text.

import { BurgeonError } from '../errors.ts';
import { parseJson } from '../formats/json.ts';
import { type AddedToken, asObject, isBytePairs, readAddedToken, type TokenizerJson } from './tokenizer-json.ts';

/** What is read of them; the first wins over the second. */
export type TokenizerConfig = Readonly<Record<string, unknown>>;

/** @throws {BurgeonError} ERR_BURGEON_DATA when a file is not JSON. */
export function readTokenizerConfig(files: Readonly<Record<string, string>>, source: string): TokenizerConfig {
  const read = (name: string) => {
    try {
      return asObject(parseJson(files[name] ?? '{}'));
    } catch (cause) {
      const problem = `${name}: expected JSON, but ${(cause as Error).message}`;
      throw new BurgeonError('ERR_BURGEON_DATA', `${source}: ${problem}`, { cause });
    }
  };
  return { ...read('special_tokens_map.json'), ...read('tokenizer_config.json') };
}

/** Tokens that older versions keep there only: id -> token. */
export function configuredTokens(config: TokenizerConfig): AddedToken[] {
  return Object.entries(asObject(config.added_tokens_decoder)).flatMap(
    ([id, token]) => readAddedToken(asObject(token), Number(id)) ?? [],
  );
}

/** Whether transformers cleans decoded text up; of byte pairs only where it is told twice. */
export function cleansUp(config: TokenizerConfig, { json }: TokenizerJson): boolean {
  if (config.clean_up_tokenization_spaces !== true) return false;
  const evenSo = config.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output === true;
  return evenSo || !isBytePairs(asObject(json.model));
}

/**
 * @throws {BurgeonError} ERR_BURGEON_DATA where both files say whether a space is put before a text, and disagree: which one counts
 *   depends on the version of transformers.
 */
export function checkPrefixSpace({ add_prefix_space }: TokenizerConfig, { json, source }: TokenizerJson): void {
  const preTokenizer = asObject(json.pre_tokenizer);
  if (typeof add_prefix_space !== 'boolean' || preTokenizer.type !== 'ByteLevel') return;
  const own = preTokenizer.add_prefix_space !== false;
  if (own === add_prefix_space) return;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${source}: add_prefix_space: expected the same as in tokenizer_config.json (${add_prefix_space}), found ${own}; make them ` +
      'equal, as versions of transformers go by one or the other',
  );
}

const usualEndOfText = ['<|endoftext|>', '<|end_of_text|>', '</s>', '<eos>', '<|eos|>'];

/**
 * The eos_token of the configuration, or a special token of a usual name.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the configuration names one that the vocabulary lacks: transformers would add it,
 *   with an id of its own.
 */
export function endOfTextToken(file: TokenizerJson, { eos_token }: TokenizerConfig): number | undefined {
  const { contents, addedTokens, source } = file;
  const content = typeof eos_token === 'string' ? eos_token : asObject(eos_token).content;
  if (typeof content !== 'string') {
    return addedTokens.find((token) => token.special && usualEndOfText.includes(token.content))?.id;
  }
  for (const [id, own] of contents) if (own === content) return id;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `${source}: tokenizer_config.json: eos_token: expected a token of the vocabulary, found ${JSON.stringify(content)}, ` +
      'which it lacks; save the tokenizer with save_pretrained of transformers, which adds it',
  );
}
