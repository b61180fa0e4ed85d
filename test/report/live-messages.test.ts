// The messages of the live page: news by their places, a snapshot for everybody who is too far behind, and no more than that kept.

import { expect, test } from 'vitest';
import type { LiveEvent } from '../../lib/report/live-events.ts';
import { LiveMessages, nothingRead } from '../../lib/report/live-messages.ts';
import type { RunData } from '../../lib/report/run-data.ts';

const progress = { state: 'running', step: 0, steps: 10, etaMs: null } as const;

/** News of about so many bytes. */
const news = (step: number, bytes = 100): LiveEvent => ({
  kind: 'news',
  lines: [{ kind: 'warning', step, text: 'x'.repeat(bytes) }],
  progress,
});

/** Messages of a run whose snapshots are numbered. */
function numbered() {
  let snapshots = 0;
  const messages = new LiveMessages(() => ({
    kind: 'history',
    run: { name: `snapshot ${++snapshots}` } as RunData,
    progress,
  }));
  /** What somebody at a place is sent: the name of the snapshot, or the step of the news. */
  const told = (place: number) => {
    const sent = messages.after(place);
    if (sent === undefined) return undefined;
    const event: LiveEvent = JSON.parse(sent.message.toString().replace(/^data: /, ''));
    return { what: event.kind === 'history' ? event.run.name : event.lines[0]!.step, next: sent.next };
  };
  return { messages, told };
}

test('who has had nothing gets the snapshot, and then the news since', () => {
  const { messages, told } = numbered();
  messages.add(news(1));
  expect(told(nothingRead)).toEqual({ what: 'snapshot 1', next: 1 });
  messages.add(news(2));
  messages.add(news(3));
  expect(told(1)).toEqual({ what: 2, next: 2 });
  expect(told(2)).toEqual({ what: 3, next: 3 });
  expect(told(3)).toBe(undefined);
});

test('one snapshot serves all, as the same bytes', () => {
  const { messages } = numbered();
  const first = messages.after(nothingRead)!;
  messages.add(news(1));
  expect(messages.after(nothingRead)!.message).toBe(first.message);
  expect(messages.after(0)!.message).toBe(messages.after(0)!.message);
});

test('old news go, and who missed them gets a new snapshot', () => {
  const { messages, told } = numbered();
  expect(told(nothingRead)).toEqual({ what: 'snapshot 1', next: 0 });
  for (let step = 1; step <= 1000; step++) {
    messages.add(news(step, 1 << 17));
    expect(messages.bytes).toBeLessThan((1 << 20) + 1000);
  }
  expect(told(999)).toEqual({ what: 1000, next: 1000 });
  expect(told(995)).toEqual({ what: 996, next: 996 });
  for (const place of [0, 5, 990, nothingRead]) expect(told(place)).toEqual({ what: 'snapshot 2', next: 1000 });
  // News that are larger than all that is kept are in the next snapshot.
  messages.add(news(1001, 2 << 20));
  expect(messages.bytes).toBe(0);
  expect(told(1000)).toEqual({ what: 'snapshot 3', next: 1001 });
});

test('after a restart everybody begins anew', () => {
  const { messages, told } = numbered();
  messages.add(news(1));
  told(nothingRead);
  messages.restart();
  expect(messages.bytes).toBe(0);
  expect(told(1)).toEqual({ what: 'snapshot 2', next: 2 });
  expect(told(2)).toBe(undefined);
  messages.add(news(2));
  expect(told(2)).toEqual({ what: 2, next: 3 });
});

test('news that a snapshot brings with it come before it', () => {
  const messages: LiveMessages = new LiveMessages(() => {
    messages.add(news(7));
    return { kind: 'history', run: {} as RunData, progress };
  });
  expect(messages.after(nothingRead)!.next).toBe(1);
  expect(messages.after(0)!.message.toString()).toContain('"step":7');
});
