// Whether tokenizer files are GPT-2's: not by the vocabulary alone, which many others have too, but in all that changes tokens or
// text, or would be lost. Only then does the gpt2 tokenizer stand for them.

import { parseJson } from '../formats/json.ts';
import { gpt2 } from './gpt2.ts';
import { endOfTextContent, gpt2Vocabulary } from './huggingface.ts';
import { cleansUp, endOfTextToken, readTokenizerConfig } from './huggingface-config-file.ts';
import { asObject, bytePairVocabulary, parseTokenizerJson } from './tokenizer-json.ts';

/** @param files name -> text, of huggingFaceFileNames; damaged ones are not GPT-2's. */
export function isGpt2(files: Readonly<Record<string, string>>): boolean {
  try {
    // What is cheap to see comes first: most tokenizers are others.
    const json = asObject(parseJson(files['tokenizer.json']!));
    if (json.normalizer || (json.added_tokens as unknown[] | undefined)?.length !== 1) return false;
    const config = readTokenizerConfig(files, '');
    const more = ['added_tokens_decoder', 'additional_special_tokens', 'extra_special_tokens', 'chat_template'];
    const hasMore = more.some((key) => !isPlain(key, config[key])) || files['chat_template.jinja'] !== undefined;
    if (hasMore || config.add_prefix_space === true || !hasVocabulary(json)) return false;

    const file = parseTokenizerJson(files['tokenizer.json']!, '');
    const [endOfText, ...others] = file.addedTokens;
    const isOwnToken =
      endOfText?.content === endOfTextContent && others.length === 0 && !stripsOrStandsAlone(endOfText);
    return isOwnToken && endOfText.special && endOfTextToken(file, config) === endOfText.id && !cleansUp(config, file)
      ? sameVocabulary(bytePairVocabulary(file))
      : false;
  } catch {
    return false;
  }
}

/** Nothing, or the one token that GPT-2 has. */
function isPlain(key: string, value: unknown): boolean {
  if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) return true;
  if (key !== 'added_tokens_decoder') return false;
  return Object.values(asObject(value)).every((token) => asObject(token).content === endOfTextContent);
}

function stripsOrStandsAlone({
  singleWord,
  lstrip,
  rstrip,
}: {
  singleWord: boolean;
  lstrip: boolean;
  rstrip: boolean;
}) {
  return singleWord || lstrip || rstrip;
}

function hasVocabulary(json: Readonly<Record<string, unknown>>): boolean {
  const entries = asObject(asObject(json.model).vocab);
  const own = gpt2Vocabulary(gpt2().tokens);
  return Object.keys(entries).length === own.size && [...own].every(([text, id]) => entries[text] === id);
}

function sameVocabulary(found: ReturnType<typeof bytePairVocabulary>): boolean {
  const { merges } = gpt2();
  if (found === undefined || found.merges.length !== merges.length) return false;
  return merges.every((merge, i) => merge.every((token, j) => token === found.merges[i]![j]));
}
