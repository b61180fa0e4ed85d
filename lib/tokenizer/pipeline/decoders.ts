// Decoders of a tokenizer.json: tokens to text, as stages of a stream, so that text comes out as soon as it is certain and all of
// it in linear time. Behaviour as in the tokenizers library (Rust), which test/interop compares with.

import { fromPrintable } from '../printable-bytes.ts';
import { cleanUpToken } from './clean-up.ts';
import { compilePattern } from './patterns.ts';
import { prependScheme } from './pre-tokenizers.ts';
import { countField, type Part, textField, typeOf, unsupported } from './unsupported.ts';

/** Tokens in, tokens out. A stage serves one text. */
export interface Stage {
  push(token: string): string[];
  /** What was held back. */
  end(): string[];
}

/** Makes the stages of one text. */
export type StageMaker = () => Stage[];

/**
 * @param part null where tokens are joined by spaces.
 * @throws {BurgeonError} ERR_BURGEON_DATA naming what is not supported.
 */
export function createStages(part: Part | null | undefined): StageMaker {
  if (part === null || part === undefined) return () => [eachToken((token, i) => (i > 0 ? ` ${token}` : token))];
  const makers: (() => Stage)[] = [];
  let isFused = false;
  for (const each of flatten(part)) {
    const type = typeOf(each);
    // A stage after one that joins all tokens sees a single one, the whole text.
    if (isFused && type !== 'Fuse') makers.push(fusedStage(each));
    else if (!isFused && type !== 'Fuse') makers.push(createStage(each));
    isFused ||= type === 'Fuse' || type === 'ByteLevel';
  }
  return () => makers.map((make) => make());
}

function flatten(part: Part): Part[] {
  return typeOf(part) === 'Sequence' ? ((part.decoders ?? []) as Part[]).flatMap(flatten) : [part];
}

function createStage(part: Part): () => Stage {
  switch (typeOf(part)) {
    case 'ByteLevel':
      return byteLevel;
    case 'ByteFallback':
      return byteFallback;
    case 'WordPiece':
      return wordPiece(part);
    case 'Metaspace': {
      const replacement = textField(part, 'replacement', '\u2581');
      const first = prependScheme(part) === 'never' ? ' ' : '';
      return () => eachToken((token, i) => token.replaceAll(replacement, i === 0 ? first : ' '));
    }
    case 'BPEDecoder':
      return endOfWord(textField(part, 'suffix', '</w>'));
    case 'Replace': {
      const pattern = compilePattern(part.pattern, 'decoder Replace');
      const content = textField(part, 'content', '');
      return () => eachToken((token) => token.replace(pattern, () => content));
    }
    case 'Strip':
      return strip(part);
    default:
      throw unsupported(`decoder ${JSON.stringify(typeOf(part))}`);
  }
}

/** A stage that sees the whole text as one token: as a stream where that is easy, else when the text is complete. */
function fusedStage(part: Part): () => Stage {
  const make = createStage(part);
  if (typeOf(part) === 'Strip' && countField(part, 'stop', 0) === 0) return stripStart(part);
  return () => {
    const stage = make();
    let text = '';
    return {
      push(token) {
        text += token;
        return [];
      },
      end: () => (text === '' ? [] : [...stage.push(text), ...stage.end()]),
    };
  };
}

function eachToken(change: (token: string, i: number) => string): Stage {
  let count = 0;
  return { push: (token) => [change(token, count++)], end: () => [] };
}

function byteLevel(): Stage {
  // A byte order mark is a character like any other.
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    push: (token) => [utf8.decode(fromPrintable(token) ?? Buffer.from(token), { stream: true })],
    end: () => [utf8.decode()],
  };
}

/** Runs of <0x0A> and its like are UTF-8, or one U+FFFD for each byte. */
function byteFallback(): Stage {
  let bytes: number[] = [];
  const flush = (): string[] => {
    if (bytes.length === 0) return [];
    const run = Uint8Array.from(bytes);
    bytes = [];
    try {
      return [new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(run)];
    } catch {
      return ['\ufffd'.repeat(run.length)];
    }
  };
  return {
    push(token) {
      const [, hex] = /^<0x([0-9A-Fa-f]{2})>$/.exec(token) ?? [];
      if (hex === undefined) return [...flush(), token];
      bytes.push(Number.parseInt(hex, 16));
      return [];
    },
    end: flush,
  };
}

function wordPiece(part: Part): () => Stage {
  const prefix = textField(part, 'prefix', '##');
  const cleanUp = part.cleanup === false ? (token: string) => token : cleanUpToken;
  return () =>
    eachToken((token, i) => {
      if (i === 0) return cleanUp(token);
      return cleanUp(token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`);
    });
}

/** The suffix that ends a word is a space, but for the last token. */
function endOfWord(suffix: string): () => Stage {
  if (suffix === '') throw unsupported('decoder BPEDecoder without a suffix');
  return () => {
    let last: string | undefined;
    return {
      push(token) {
        const before = last;
        last = token;
        return before === undefined ? [] : [before.replaceAll(suffix, ' ')];
      },
      end: () => (last === undefined ? [] : [last.replaceAll(suffix, '')]),
    };
  };
}

function strip(part: Part): () => Stage {
  const content = textField(part, 'content', ' ');
  const [most, mostAtEnd] = [countField(part, 'start', 0), countField(part, 'stop', 0)];
  return () =>
    eachToken((token) => {
      const characters = Array.from(token);
      let start = 0;
      while (start < most && characters[start] === content) start++;
      let end = characters.length;
      while (characters.length - end < mostAtEnd && end > 0 && characters[end - 1] === content) end--;
      return characters.slice(start, Math.max(start, end)).join('');
    });
}

/** `Strip` of the start of a text that comes in pieces. */
function stripStart(part: Part): () => Stage {
  const content = textField(part, 'content', ' ');
  const most = countField(part, 'start', 0);
  return () => {
    let left = most;
    return {
      push(token) {
        let text = token;
        while (left > 0 && text !== '') {
          if (!text.startsWith(content)) left = 0;
          else {
            text = text.slice(content.length);
            left--;
          }
        }
        return [text];
      },
      end: () => [],
    };
  };
}
