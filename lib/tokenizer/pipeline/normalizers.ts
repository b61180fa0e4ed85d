// Normalizers of a tokenizer.json: text to text, before it is split. Behaviour as in the tokenizers library (Rust), which
// test/interop compares with.

import { toPrintable } from '../printable-bytes.ts';
import { lowerCase, space } from './characters.ts';
import { compilePattern } from './patterns.ts';
import { createPrecompiled } from './precompiled.ts';
import { type Part, textField, typeOf, unsupported } from './unsupported.ts';

export type Normalizer = (text: string) => string;

const leadingSpace = new RegExp(`^${space}+`, 'u');
const trailingSpace = new RegExp(`(?<!${space})${space}+$`, 'u');
const anySpace = new RegExp(space, 'gu');

/** @throws {BurgeonError} ERR_BURGEON_DATA naming what is not supported. */
export function createNormalizer(part: Part | null | undefined): Normalizer {
  if (part === null || part === undefined) return (text) => text;
  const type = typeOf(part);
  switch (type) {
    case 'Sequence': {
      const all = ((part.normalizers ?? []) as Part[]).map(createNormalizer);
      return (text) => all.reduce((normalized, normalizer) => normalizer(normalized), text);
    }
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return (text) => text.normalize(type);
    case 'Lowercase':
      return lowerCase;
    case 'Strip':
      return strip(part);
    case 'StripAccents':
      return (text) => text.replace(/\p{M}/gu, '');
    case 'Replace': {
      const pattern = compilePattern(part.pattern, 'normalizer Replace');
      const content = textField(part, 'content', '');
      return (text) => text.replace(pattern, () => content);
    }
    case 'Prepend': {
      const prefix = textField(part, 'prepend', '');
      return (text) => (text === '' ? '' : prefix + text);
    }
    case 'ByteLevel':
      return (text) => toPrintable(Buffer.from(text, 'utf8'));
    case 'Nmt':
      return nmt;
    case 'BertNormalizer':
      return bert(part);
    case 'Precompiled':
      return createPrecompiled(textField(part, 'precompiled_charsmap', ''));
    default:
      throw unsupported(`normalizer ${JSON.stringify(type)}`);
  }
}

function strip({ strip_left, strip_right }: Part): Normalizer {
  return (text) => {
    const stripped = strip_left ? text.replace(leadingSpace, '') : text;
    return strip_right ? stripped.replace(trailingSpace, '') : stripped;
  };
}

/** Source: sentencepiece, nmt_nfkc. */
function nmt(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out.
  const printable = text.replace(/[\u0001-\u0008\u000b\u000e-\u001f\u007f\u008f\u009f]/g, '');
  return printable.replace(/[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g, ' ');
}

/** The blocks that BERT takes for words of their own, one gap of the library's included (U+2B820 to U+2B91F). */
const chinese =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

function bert({ clean_text, handle_chinese_chars, lowercase, strip_accents }: Part): Normalizer {
  const [cleans, separates, lowers] = [clean_text !== false, handle_chinese_chars !== false, lowercase !== false];
  const stripsAccents = strip_accents ?? lowers;
  return (text) => {
    let normalized = text;
    if (cleans) {
      normalized = normalized.replace(/(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\ufffd]/gu, '').replace(anySpace, ' ');
    }
    if (separates) normalized = normalized.replace(chinese, ' $& ');
    if (stripsAccents) normalized = normalized.normalize('NFD').replace(/\p{Mn}/gu, '');
    return lowers ? lowerCase(normalized) : normalized;
  };
}
