// Follows a metrics file that a process may be writing: hands out whole lines as they come, each once, and notices when the file
// is cut (a run goes on from a checkpoint) or replaced (a run is overwritten), also where it has grown again since.

import { type FileHandle, open, stat } from 'node:fs/promises';
import { isMissing } from '../../files/is-missing.ts';
import { type FileLine, scanLines } from '../../files/scan-lines.ts';

/** Bytes before the place up to which the file was read: when they change, it is another file. */
const markBytes = 64;

export interface TailListener {
  /** What was read so far is no longer so: lines come from the first again. */
  onRestart(): void;
  /** A whole line; valid during the call. */
  onLine(line: FileLine): void;
}

export class MetricsTail {
  readonly #file: string;
  #offset = 0;
  #mark: Buffer = Buffer.alloc(0);
  /** The file as it was when it was read last. */
  #seen: { ino: number; size: number; mtimeMs: number } | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** Bytes whose lines have been handed out. */
  get offset(): number {
    return this.#offset;
  }

  /** When the file changed last, milliseconds since 1970; 0 without one. */
  get changedMs(): number {
    return this.#seen?.mtimeMs ?? 0;
  }

  /** Reads what is new; where nothing is, that costs one look at the file. A missing file has no lines. */
  async read({ onRestart, onLine }: TailListener): Promise<void> {
    const now = await stat(this.#file).catch((error) => {
      if (!isMissing(error)) throw error;
      return undefined;
    });
    const { ino = 0, size = 0, mtimeMs = 0 } = now ?? {};
    const seen = this.#seen;
    if (seen && seen.ino === ino && seen.size === size && seen.mtimeMs === mtimeMs) return;
    if (this.#offset > 0 && (seen?.ino !== ino || size < this.#offset || !(await this.#isMarked()))) {
      this.#offset = 0;
      this.#mark = Buffer.alloc(0);
      onRestart();
    }
    this.#seen = now && { ino, size, mtimeMs };
    if (size <= this.#offset) return;
    const about = size - this.#offset + 1;
    await scanLines(
      this.#file,
      (line) => {
        if (!line.isWhole) return;
        // First, so that who reads the file up to here while hearing of the line has it.
        this.#offset = line.offset + line.end - line.begin + 1;
        onLine(line);
      },
      { from: this.#offset, about },
    );
    this.#mark = await this.#bytesBefore(this.#offset);
  }

  async #isMarked(): Promise<boolean> {
    return this.#mark.equals(await this.#bytesBefore(this.#offset));
  }

  async #bytesBefore(offset: number): Promise<Buffer> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(this.#file);
      const length = Math.min(markBytes, offset);
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset - length);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle?.close();
    }
  }
}
