// The progress of `burgeon prepare` in words: a bar where it can be redrawn, and when the pass at hand will be over.

import type { PrepareProgress } from '../prepare/progress.ts';
import { bytes, count, duration, percent, plural } from './format.ts';

const barWidth = 20;
/** An estimate from less time than this says nothing. */
const leastElapsedMs = 1000;

/** Words of progress, with the rate since each pass began here: what an earlier run has done took no time. */
export class PrepareProgressText {
  readonly #isLive: boolean;
  readonly #passes: 1 | 2;
  readonly #now: () => number;
  #begin: { phase: PrepareProgress['phase']; ms: number; bytesDone: number } | undefined;

  /**
   * @param isLive whether the line is redrawn: only there a bar makes sense.
   * @param options.passes how often the text is read: twice, or once in a dry run.
   */
  constructor(isLive: boolean, options: { passes?: 1 | 2; now?: () => number } = {}) {
    this.#isLive = isLive;
    this.#passes = options.passes ?? 2;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Call for every report, shown or not. */
  observe({ phase, bytesDone }: PrepareProgress): void {
    if (this.#begin?.phase !== phase) this.#begin = { phase, bytesDone, ms: this.#now() };
  }

  text(progress: PrepareProgress): string {
    const { phase, bytesDone, bytesTotal, documents, tokens } = progress;
    const share = bytesTotal === 0 ? 1 : bytesDone / bytesTotal;
    const filled = Math.round(barWidth * share);
    const reading = this.#passes === 2 ? 'reading (1 of 2)' : 'reading';
    const parts = [
      `${this.#isLive ? `[${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}] ` : ''}${percent(share, 0)}`,
      `${phase === 'scan' ? reading : 'encoding (2 of 2)'} ${bytes(bytesDone)} of ${bytes(bytesTotal)}`,
    ];
    if (phase === 'encode')
      parts.push(`${count(documents)} ${plural(documents, 'document')}`, `${count(tokens)} ${plural(tokens, 'token')}`);
    const leftMs = this.#leftMs(progress);
    if (leftMs !== undefined) parts.push(`ETA ${duration(leftMs)}`);
    return parts.join('  ');
  }

  #leftMs({ bytesDone, bytesTotal }: PrepareProgress): number | undefined {
    if (!this.#begin) return undefined;
    const elapsedMs = this.#now() - this.#begin.ms;
    const done = bytesDone - this.#begin.bytesDone;
    return elapsedMs < leastElapsedMs || done <= 0 || bytesDone >= bytesTotal
      ? undefined
      : (elapsedMs * (bytesTotal - bytesDone)) / done;
  }
}
