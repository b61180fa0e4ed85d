import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Turns } from '../../lib/train/turns.ts';

test('turns come one at a time, in order, and a failure stops none after it', async () => {
  const turns = new Turns();
  const log: string[] = [];
  const work = (name: string, ms: number) => async () => {
    log.push(`${name} begins`);
    await sleep(ms);
    log.push(`${name} ends`);
    if (name === 'b') throw new Error('b failed');
    return name;
  };
  const results = await Promise.allSettled([
    turns.take(work('a', 5)),
    turns.take(work('b', 1)),
    turns.take(work('c', 0)),
  ]);
  expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});

test('a turn within a turn does not wait for itself, and what a turn leaves behind waits', async () => {
  const turns = new Turns();
  const log: string[] = [];
  let late: Promise<void> = Promise.resolve();
  const first = turns.take(async () => {
    await turns.take(async () => void log.push('within'));
    late = sleep(1).then(() => turns.take(async () => void log.push('late')));
    log.push('first');
  });
  const second = turns.take(async () => {
    await sleep(20);
    log.push('second');
  });
  await Promise.all([first, second]);
  await late;
  expect(log).toEqual(['within', 'first', 'second', 'late']);
});
