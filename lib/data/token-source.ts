// Several token files as one corpus, read in windows: T + 1 consecutive tokens that start at a multiple of T within a
// file, the last one shared with the next window as its first input. Windows never cross files. Which window comes when
// is batch-loader.ts and fixed-windows.ts.

import { BurgeonError } from '../errors.ts';
import { openTokenFile, type TokenFile } from './token-file.ts';

export class TokenSource {
  readonly files: readonly TokenFile[];
  /** Tokens of all files. */
  readonly tokenCount: number;

  /** @param files open token files, in order; closed together with the source. */
  constructor(files: readonly TokenFile[]) {
    this.files = files;
    this.tokenCount = files.reduce((sum, file) => sum + file.tokenCount, 0);
  }

  /**
   * Opens token files.
   * @param options.vocabSize when given, every token read is checked to be below it.
   * @throws {BurgeonError} ERR_BURGEON_DATA when one of them cannot be opened, or there are none.
   */
  static async open(paths: readonly string[], options: { vocabSize?: number | undefined } = {}): Promise<TokenSource> {
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

  /** Number of whole windows, each with T targets: the sum of floor((n - 1) / T) over the files of n tokens. */
  windowCount(sequenceLength: number): number {
    return this.files.reduce((sum, file) => sum + fileWindows(file, sequenceLength), 0);
  }

  /**
   * The T + 1 tokens of a window; windows are numbered through the files in order.
   * @throws {BurgeonError} ERR_BURGEON_DATA when there is no such window, or it cannot be read.
   */
  async readWindow(sequenceLength: number, window: number): Promise<Int32Array> {
    let inFile = window;
    for (const file of this.files) {
      const count = fileWindows(file, sequenceLength);
      if (inFile < count) return file.readTokens(inFile * sequenceLength, sequenceLength + 1);
      inFile -= count;
    }
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `window ${window}: expected a number below ${this.windowCount(sequenceLength)}, the windows of the token files`,
    );
  }

  /** @throws {BurgeonError} ERR_BURGEON_DATA when no file has T + 1 tokens. */
  requireWindow(sequenceLength: number): void {
    if (this.windowCount(sequenceLength) > 0) return;
    const longest = Math.max(...this.files.map((file) => file.tokenCount));
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${this.files[0]!.path}: a sequence length of ${sequenceLength} takes ${sequenceLength + 1} consecutive tokens, ` +
        `found ${longest} in the longest of ${this.files.length} token file(s); use a shorter sequence length or more data`,
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.files.map((file) => file.close()));
  }
}

function fileWindows(file: TokenFile, sequenceLength: number): number {
  return Math.max(0, Math.floor((file.tokenCount - 1) / sequenceLength));
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
