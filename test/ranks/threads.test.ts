import { expect, test } from 'vitest';
import { coresOfList, threadsOfRank } from '../../lib/ranks/threads.ts';

test.each([
  ['one rank has all', 1, { all: 64, own: 64 }, 64],
  ['four share them', 4, { all: 64, own: 64 }, 16],
  ['bound to cores of its own', 4, { all: 64, own: 8 }, 8],
  ['bound to a socket that it shares', 4, { all: 64, own: 32 }, 16],
  ['more ranks than cores', 4, { all: 2, own: 2 }, 1],
  ['what is left over rests', 3, { all: 8, own: 8 }, 2],
])('%s', (_, ranks, cores, threads) => expect(threadsOfRank(ranks, cores)).toBe(threads));

test('of this machine: at least one, and no more with more ranks', () => {
  expect(threadsOfRank(1)).toBeGreaterThanOrEqual(threadsOfRank(2));
  expect(threadsOfRank(1024)).toBe(1);
});

test.each([
  ['0-3', 4],
  ['0', 1],
  ['0-1,8-11,15', 7],
])('cores of %s: %i', (list, cores) => expect(coresOfList(list)).toBe(cores));
