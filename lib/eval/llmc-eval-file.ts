// Questions from llm.c's binary evaluation format (karpathy/llm.c: dev/data/data_common.py writes it, llmc/dataloader.h
// reads it). A header of 256 int32: magic number, version, number of examples, bytes of the longest. Then per example
// uint16: 65535, its bytes, its index, label, number of completions, then length and tokens of the context and of each
// completion. All little-endian. A completion's tokens include the space before it.

import { llmcHeaderBytes as headerBytes, llmcEvalMagic as magic } from '../data/token-layout.ts';
import { BurgeonError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { Question } from './multiple-choice.ts';
import { readWholeFile } from './read-file.ts';

const version = 1;
const startOfExample = 65535;

export interface LlmcEvalOptions {
  /** V: every token has to be below. */
  vocabSize: number;
  /** Tells the bytes of endings; without it they are not known. */
  tokenizer?: Tokenizer | undefined;
  /** Most questions to read, from the first. */
  limit?: number | undefined;
}

/**
 * @throws {BurgeonError} ERR_BURGEON_DATA when the file cannot be read, is of another format, cut off or damaged, naming the
 *   offset in bytes.
 */
export async function readLlmcEvalFile(path: string, options: LlmcEvalOptions): Promise<Question[]> {
  const bytes = await readWholeFile(path);
  const count = readHeader(path, bytes);
  const reader = new Uint16Reader(path, bytes, headerBytes);
  const questions: Question[] = [];
  while (questions.length < Math.min(count, options.limit ?? count)) {
    questions.push(readExample(reader, questions.length, options));
  }
  if (questions.length === count && reader.offset < bytes.length) {
    throw reader.wrong(reader.offset, `the end of the file after ${count} examples`, `${bytes.length} bytes`);
  }
  return questions;
}

/** The number of examples. */
function readHeader(path: string, bytes: Buffer): number {
  const fail = (message: string) => new BurgeonError('ERR_BURGEON_DATA', `${path}: ${message}`);
  const found = bytes.length >= 4 ? bytes.readInt32LE(0) : undefined;
  if (found !== magic) {
    throw fail(
      `expected an evaluation file of llm.c, which begins with the number ${magic}, found ${found ?? `${bytes.length} bytes`}; questions as text need the extension .jsonl`,
    );
  }
  if (bytes.length < headerBytes) {
    throw fail(`expected the ${headerBytes} header bytes of an llm.c evaluation file, found ${bytes.length}`);
  }
  if (bytes.readInt32LE(4) !== version) {
    throw fail(`expected version ${version} of llm.c's evaluation format, found version ${bytes.readInt32LE(4)}`);
  }
  const count = bytes.readInt32LE(8);
  if (count < 1) throw fail(`expected at least one example, its header announces ${count}`);
  return count;
}

function readExample(reader: Uint16Reader, index: number, { vocabSize, tokenizer }: LlmcEvalOptions): Question {
  const begin = reader.offset;
  reader.expect('start of an example', startOfExample);
  const size = reader.next();
  reader.expect('index of the example', index);
  const labelAt = reader.offset;
  const label = reader.next();
  const completions = reader.next();
  if (completions < 2) throw reader.wrong(reader.offset - 2, 'two or more completions', completions);
  if (label >= completions) throw reader.wrong(labelAt, `a label below ${completions}`, label);

  const context = reader.tokens(vocabSize);
  const endings = Array.from({ length: completions }, () => {
    const tokens = reader.tokens(vocabSize);
    return { tokens, bytes: tokenizer && endingBytes(tokenizer, tokens) };
  });
  if (reader.offset - begin !== size) {
    throw reader.wrong(begin + 2, `the size of the example, ${reader.offset - begin} bytes`, size);
  }
  return { place: `${reader.path}: example ${index} (offset ${begin})`, context, endings, label };
}

/** Without the space that separates it from the context, as for questions from text. */
function endingBytes(tokenizer: Tokenizer, tokens: Int32Array): number {
  const bytes = tokenizer.byteLength(tokens);
  return tokenizer.decode(tokens.subarray(0, 1)).startsWith(' ') ? bytes - 1 : bytes;
}

/** Reads one number after the other, and says where it found what it did not expect. */
class Uint16Reader {
  constructor(
    readonly path: string,
    readonly bytes: Buffer,
    public offset: number,
  ) {}

  next(): number {
    if (this.offset + 2 > this.bytes.length) {
      throw this.wrong(this.offset, 'more of an example', `the end of the file after ${this.bytes.length} bytes`);
    }
    const value = this.bytes.readUInt16LE(this.offset);
    this.offset += 2;
    return value;
  }

  expect(what: string, expected: number): void {
    const value = this.next();
    if (value !== expected) throw this.wrong(this.offset - 2, `${expected}, the ${what}`, value);
  }

  /** A length and so many tokens, at least one. */
  tokens(vocabSize: number): Int32Array {
    const length = this.next();
    if (length === 0) throw this.wrong(this.offset - 2, 'at least one token', 'none');
    return Int32Array.from({ length }, () => {
      const token = this.next();
      if (token < vocabSize) return token;
      throw this.wrong(this.offset - 2, `a token in [0, ${vocabSize}), the model's vocabulary`, token);
    });
  }

  wrong(offset: number, expected: string, found: number | string): BurgeonError {
    return new BurgeonError(
      'ERR_BURGEON_DATA',
      `${this.path}: at offset ${offset} expected ${expected}, found ${found}; the file is damaged, or made for another model`,
    );
  }
}
