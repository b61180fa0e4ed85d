// What the pages are sent, made once for all of them: the newest news, and a snapshot of the run for those who have missed
// more than that. So what is kept does not grow with the number of pages, nor with how slowly they read.

import type { DashboardEvent, LiveEvent } from './live-events.ts';

/** News that are kept, in bytes: half a minute of a hundred steps a second. */
const mostNewsBytes = 1 << 20;

/** The place of a page that has had nothing. */
export const nothingRead = -1;

export class LiveMessages {
  readonly #snapshotOf: () => LiveEvent | DashboardEvent | undefined;
  readonly #news: Buffer[] = [];
  #newsBytes = 0;
  /** The place of the oldest news. */
  #first = 0;
  /** And the place at which its reader goes on. */
  #snapshot: { message: Buffer; next: number } | undefined;

  /** @param snapshotOf the run as it is, without news that have not been added; undefined while there is none. */
  constructor(snapshotOf: () => LiveEvent | DashboardEvent | undefined) {
    this.#snapshotOf = snapshotOf;
  }

  /** What is kept. */
  get bytes(): number {
    return this.#newsBytes + (this.#snapshot?.message.length ?? 0);
  }

  add(news: LiveEvent): void {
    const message = encode(news);
    this.#news.push(message);
    this.#newsBytes += message.length;
    while (this.#newsBytes > mostNewsBytes) {
      this.#newsBytes -= this.#news.shift()!.length;
      this.#first++;
    }
    if (this.#snapshot && this.#snapshot.next < this.#first) this.#snapshot = undefined;
  }

  /** Lets go of everything; everybody begins with a snapshot. */
  restart(): void {
    this.#first += this.#news.length + 1;
    this.#news.length = 0;
    this.#newsBytes = 0;
    this.#snapshot = undefined;
  }

  /** What comes after a place, and the place of what follows; undefined where nothing does yet. */
  after(place: number): { message: Buffer; next: number } | undefined {
    if (place >= this.#first) {
      const message = this.#news[place - this.#first];
      return message && { message, next: place + 1 };
    }
    if (this.#snapshot === undefined) {
      const snapshot = this.#snapshotOf();
      if (snapshot === undefined) return undefined;
      this.#snapshot = { message: encode(snapshot), next: this.#first + this.#news.length };
    }
    return this.#snapshot;
  }
}

/** As a server-sent event. */
function encode(event: LiveEvent | DashboardEvent): Buffer {
  return Buffer.from(`data: ${JSON.stringify(event)}\n\n`);
}
