// A stream of events that is kept up: when the connection breaks, it connects again and gets everything anew.

import { eventsOf } from './events.ts';

/** Time to the next attempt when the connection is lost. */
const retryMs = 1000;

export interface Follower<Event> {
  onEvent(event: Event): void;
  /** The connection ended. @param why for the reader. @returns whether to connect again. */
  onBreak(why: string): boolean;
  /** The token is none of this server's. */
  onLocked(): void;
}

/** Follows the events at a path until the follower has enough. */
export async function follow<Event>(
  path: string,
  headers: Record<string, string>,
  { onEvent, onBreak, onLocked }: Follower<Event>,
): Promise<void> {
  for (;;) {
    let waitMs = retryMs;
    let why = 'connection lost, trying again';
    try {
      const response = await fetch(path, { headers });
      if (response.status === 401) return onLocked();
      if (response.ok && response.body) for await (const event of eventsOf<Event>(response.body)) onEvent(event);
      else {
        why = await response.text();
        waitMs = 1000 * Number(response.headers.get('retry-after') ?? 1);
      }
    } catch {
      // Broken off, or nobody there.
    }
    if (!onBreak(why)) return;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

/** Another address of the same page, pasted over this one with a token, loads nothing by itself. */
export function reloadForNewToken(): void {
  addEventListener('hashchange', () => {
    if (new URLSearchParams(location.hash.slice(1)).has('token')) location.reload();
  });
}
