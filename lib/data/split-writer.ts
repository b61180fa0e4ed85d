// Writes the documents of one split: encodes them, puts the delimiter before each, and counts. The shards themselves
// are token-shard-writer.ts; which documents come here is decided in write-splits.ts.

import { StreamEncoder } from '../tokenizer/stream-encoder.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { SplitManifest } from './manifest.ts';
import { TokenShardWriter, type TokenShardWriterOptions } from './token-shard-writer.ts';

/**
 * Documents are separated by the tokenizer's endOfText token, which stands before each, as in llm.c. A vocabulary
 * without it (bytes, chars) has only the text itself: a newline is put after a document that lacks one when another
 * follows, because "...end" and "Begin..." must not become one word. A single document is therefore written unchanged.
 */
export class SplitWriter {
  readonly #tokenizer: Tokenizer;
  readonly #shards: TokenShardWriter;
  #encoder: StreamEncoder;
  #documents = 0;
  #bytes = 0;
  #isInDocument = false;
  #endsWithNewline = true;

  constructor(tokenizer: Tokenizer, options: Omit<TokenShardWriterOptions, 'vocabSize'>) {
    this.#tokenizer = tokenizer;
    this.#shards = new TokenShardWriter({ ...options, vocabSize: tokenizer.vocabSize });
    this.#encoder = new StreamEncoder(tokenizer);
  }

  get tokenCount(): number {
    return this.#shards.tokenCount;
  }

  /** Adds text to the document under way, or begins one. */
  async add(text: string): Promise<void> {
    if (!this.#isInDocument) await this.#begin();
    if (text !== '') this.#endsWithNewline = text.endsWith('\n');
    await this.write(this.#encoder.push(text));
  }

  async endDocument(): Promise<void> {
    await this.write(this.#encoder.end());
    this.#isInDocument = false;
  }

  /** Adds tokens as they are. */
  async write(tokens: Int32Array): Promise<void> {
    this.#bytes += this.#tokenizer.byteLength(tokens);
    await this.#shards.write(tokens);
  }

  /** Completes the files. Documents are those counted here, unless told otherwise. */
  async end(documents = this.#documents): Promise<SplitManifest> {
    const files = await this.#shards.end();
    return { files, tokens: this.#shards.tokenCount, documents, bytes: this.#bytes };
  }

  /** Closes the file under way, after a failure; does nothing after `end`. */
  async abort(): Promise<void> {
    await this.#shards.abort();
  }

  async #begin(): Promise<void> {
    const { endOfText } = this.#tokenizer;
    if (endOfText !== undefined) await this.write(Int32Array.of(endOfText));
    else if (!this.#endsWithNewline) await this.write(this.#tokenizer.encode('\n'));
    this.#encoder = new StreamEncoder(this.#tokenizer);
    this.#documents++;
    this.#isInDocument = true;
  }
}
