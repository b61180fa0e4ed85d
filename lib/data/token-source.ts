// Several token files as one corpus, read in windows: T + 1 consecutive tokens, the last one shared with the next window as
// its first input. The files are one stream of tokens, and windows go on from one file into the next, so that no shard is
// too short to be read. Earlier versions cut windows within each file; runs begun with them go on so (`within`). Which window
// comes when is batch-loader.ts and fixed-windows.ts.

import { BurgeonError } from '../errors.ts';
import { openTokenFile, type TokenFile } from './token-file.ts';
import type { TokenFileOptions } from './token-layout.ts';

/** Where windows are cut: of all files as one stream, or of each file on its own. */
export type WindowRule = 'across' | 'within';

/** Consecutive tokens of the stream. */
export interface TokenSpan {
  start: number;
  count: number;
}

export class TokenSource {
  readonly files: readonly TokenFile[];
  /** Tokens of all files. */
  readonly tokenCount: number;
  readonly windows: WindowRule;
  /** Of each file, in the stream. */
  readonly #spans: readonly TokenSpan[];

  /** @param files open token files, in order; closed together with the source. */
  constructor(files: readonly TokenFile[], windows: WindowRule = 'across') {
    this.files = files;
    this.windows = windows;
    const spans: TokenSpan[] = [];
    let start = 0;
    for (const { tokenCount: count } of files) {
      spans.push({ start, count });
      start += count;
    }
    this.#spans = spans;
    this.tokenCount = start;
  }

  /**
   * Opens token files.
   * @throws {BurgeonError} ERR_BURGEON_DATA when one of them cannot be opened, or there are none.
   */
  static async open(paths: readonly string[], options: TokenFileOptions = {}): Promise<TokenSource> {
    if (paths.length === 0) {
      throw new BurgeonError('ERR_BURGEON_DATA', 'token files: expected at least one path, received none');
    }
    const files: TokenFile[] = [];
    try {
      for (const path of paths) files.push(await openTokenFile(path, options));
    } catch (error) {
      for (const file of files) await file.close();
      throw error;
    }
    return new TokenSource(files);
  }

  /** The same open files, with windows cut otherwise. */
  with(windows: WindowRule): TokenSource {
    return new TokenSource(this.files, windows);
  }

  /** Number of whole windows, each with T targets: floor((n - 1) / T) of n tokens, summed over what windows are cut of. */
  windowCount(sequenceLength: number): number {
    return this.#stretches.reduce((sum, { count }) => sum + windowsOf(count, sequenceLength), 0);
  }

  /**
   * The T + 1 tokens of a window; windows are numbered through the files in order.
   * @throws {BurgeonError} ERR_BURGEON_DATA when there is no such window, or it cannot be read.
   */
  async readWindow(sequenceLength: number, window: number): Promise<Int32Array> {
    let left = window;
    for (const { start, count } of this.#stretches) {
      const windows = windowsOf(count, sequenceLength);
      if (left < windows) return this.readTokens(start + left * sequenceLength, sequenceLength + 1);
      left -= windows;
    }
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `window ${window}: expected a number below ${this.windowCount(sequenceLength)}, the windows of the token files`,
    );
  }

  /** What whole windows leave at the end: fewer than T targets and the token before them. */
  rests(sequenceLength: number): TokenSpan[] {
    return this.#stretches.flatMap(({ start, count }) => {
      const targets = (count - 1) % sequenceLength;
      return count < 2 || targets === 0 ? [] : [{ start: start + count - 1 - targets, count: targets + 1 }];
    });
  }

  /**
   * Tokens start to start + count - 1 of the stream.
   * @throws {BurgeonError} ERR_BURGEON_DATA for a range outside it, a token outside the vocabulary, a failed read.
   */
  async readTokens(start: number, count: number): Promise<Int32Array> {
    const end = start + count;
    if (!(Number.isSafeInteger(start) && start >= 0 && count >= 0 && end <= this.tokenCount)) {
      throw new BurgeonError(
        'ERR_BURGEON_DATA',
        `${this.files[0]!.path}: expected a range within the ${this.tokenCount} tokens of ${this.files.length} token ` +
          `file(s), received start ${start}, count ${count}`,
      );
    }
    const parts: Promise<Int32Array>[] = [];
    for (let i = this.#fileAt(start), at = start; at < end; i++) {
      const file = this.#spans[i]!;
      const stop = Math.min(end, file.start + file.count);
      if (stop > at) parts.push(this.files[i]!.readTokens(at - file.start, stop - at));
      at = stop;
    }
    if (parts.length === 1) return parts[0]!;
    const tokens = new Int32Array(count);
    let filled = 0;
    for (const part of await Promise.all(parts)) {
      tokens.set(part, filled);
      filled += part.length;
    }
    return tokens;
  }

  /** @throws {BurgeonError} ERR_BURGEON_DATA when there are no T + 1 tokens to make a window of. */
  requireWindow(sequenceLength: number): void {
    if (this.windowCount(sequenceLength) > 0) return;
    const longest = Math.max(...this.#stretches.map(({ count }) => count));
    const where = this.windows === 'across' ? 'in' : 'in the longest of';
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${this.files[0]!.path}: a sequence length of ${sequenceLength} takes ${sequenceLength + 1} consecutive tokens, ` +
        `found ${longest} ${where} ${this.files.length} token file(s); use a shorter sequence length or more data`,
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.files.map((file) => file.close()));
  }

  /** What windows are cut of. */
  get #stretches(): readonly TokenSpan[] {
    return this.windows === 'within' ? this.#spans : [{ start: 0, count: this.tokenCount }];
  }

  /** The file with a position of the stream: the last one that begins at or before it. */
  #fileAt(position: number): number {
    let [low, high] = [0, this.#spans.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#spans[middle]!.start <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function windowsOf(tokens: number, sequenceLength: number): number {
  return Math.max(0, Math.floor((tokens - 1) / sequenceLength));
}

/** (B, T) inputs and the tokens that follow them, row-major. */
export interface TokenBatch {
  tokens: Int32Array;
  targets: Int32Array;
}

/**
 * Puts windows of T + 1 tokens side by side: row b of tokens is window b without its last token, of targets without its
 * first.
 */
export function stackWindows(windows: readonly Int32Array[], sequenceLength: number): TokenBatch {
  const tokens = new Int32Array(windows.length * sequenceLength);
  const targets = new Int32Array(windows.length * sequenceLength);
  for (const [row, window] of windows.entries()) {
    tokens.set(window.subarray(0, sequenceLength), row * sequenceLength);
    targets.set(window.subarray(1, sequenceLength + 1), row * sequenceLength);
  }
  return { tokens, targets };
}
