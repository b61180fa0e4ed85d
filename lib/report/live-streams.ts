// The pages that listen, over server-sent events: as many as there is room for, each with the messages that it follows.

import type { ServerResponse } from 'node:http';
import { guards, reply } from './live-http.ts';
import type { LiveMessages } from './live-messages.ts';
import { LiveStream } from './live-stream.ts';

/** Pages that may listen at once. */
export const mostStreams = 32;

/** When those who find no room may ask again, in seconds. */
const retryAfter = '30';

/** Time between two signs of life where there is nothing to tell. */
const aliveEveryMs = 10_000;

export class LiveStreams {
  readonly #streams = new Map<LiveStream, LiveMessages>();
  #lastAliveMs = 0;

  get size(): number {
    return this.#streams.size;
  }

  /** Bytes that each has not read of one message. */
  get unreadBytes(): number[] {
    return [...this.#streams.keys()].map((stream) => stream.unreadBytes);
  }

  /** Whether somebody follows these messages. */
  follows(messages: LiveMessages): boolean {
    for (const followed of this.#streams.values()) if (followed === messages) return true;
    return false;
  }

  /** Begins a stream, which gets nothing yet; says where there is no room. @param onClose when it has ended. */
  open(response: ServerResponse, messages: LiveMessages, onClose: () => void = () => {}): LiveStream | undefined {
    if (this.size >= mostStreams) {
      const text = `the page is open ${mostStreams} times already, and no more are served: close one of them`;
      reply(response, 503, text, { 'retry-after': retryAfter });
      return undefined;
    }
    const stream = new LiveStream(response, messages);
    this.#streams.set(stream, messages);
    response.on('close', () => {
      this.#streams.delete(stream);
      onClose();
    });
    response.writeHead(200, { ...guards, 'content-type': 'text/event-stream' });
    response.flushHeaders();
    return stream;
  }

  /** Sends what is new to all who read. */
  send(): void {
    for (const stream of this.#streams.keys()) stream.send();
  }

  /** Shows now and then that connections are alive. */
  keepAlive(): void {
    const now = performance.now();
    if (now - this.#lastAliveMs < aliveEveryMs) return;
    this.#lastAliveMs = now;
    for (const stream of this.#streams.keys()) stream.keepAlive();
  }

  /** Ends the streams of these messages. Default: all. */
  end(messages?: LiveMessages): void {
    for (const [stream, followed] of this.#streams) if (messages === undefined || followed === messages) stream.end();
  }
}
