// One page that listens. It is sent no more than it reads: one message at a time, the next when that is on its way.

import type { ServerResponse } from 'node:http';
import { type LiveMessages, nothingRead } from './live-messages.ts';

export class LiveStream {
  readonly #response: ServerResponse;
  readonly #messages: LiveMessages;
  #place = nothingRead;
  #isBlocked = false;

  constructor(response: ServerResponse, messages: LiveMessages) {
    this.#response = response;
    this.#messages = messages;
    response.on('drain', () => {
      this.#isBlocked = false;
      this.send();
    });
  }

  /** Bytes of the message that it is reading, which it shares with the other streams. */
  get unreadBytes(): number {
    return this.#response.writableLength;
  }

  /** Sends what it has not had; of somebody who does not read now, it waits in the messages, or is skipped by a snapshot. */
  send(): void {
    while (!this.#isBlocked && !this.#response.destroyed) {
      const sent = this.#messages.after(this.#place);
      if (sent === undefined) return;
      this.#place = sent.next;
      this.#isBlocked = !this.#response.write(sent.message);
    }
  }

  /** Shows that the connection is alive, to whatever lies between and to the timer of the socket. */
  keepAlive(): void {
    if (!this.#isBlocked && !this.#response.destroyed) this.#isBlocked = !this.#response.write(':\n\n');
  }

  end(): void {
    this.#response.end();
  }
}
