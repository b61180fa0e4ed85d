// A few trials of every target, the same at every run; `npm run test:fuzz` goes on from here, in processes of its own.

import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failureOf } from './failure-of.ts';
import { Random } from './random.ts';
import { targets } from './targets.ts';

const trials = 15;

let directory: string;
const before = process.cwd();
beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-fuzz-'));
  process.chdir(directory);
});
afterAll(async () => {
  process.chdir(before);
  await rm(directory, { recursive: true });
});

describe.each(Object.keys(targets))('%s', (name) => {
  it(`gives results or errors that say what is wrong, in ${trials} trials`, async () => {
    const trial = await targets[name]!.open(directory);
    const failures: string[] = [];
    for (let i = 0; i < trials; i++) {
      await trial(new Random(0, Object.keys(targets).indexOf(name), i)).catch((error) => {
        const failure = failureOf(error);
        if (failure !== undefined) failures.push(`trial ${i}: ${failure}`);
      });
    }
    expect(failures).toEqual([]);
  });
});

it('a hostile value replaces others at any depth, and what is not plain is left alone', () => {
  const value = { a: [1, { b: 2 }], c: Int32Array.of(1) };
  const copies = Array.from({ length: 50 }, (_, i) => new Random(1, i).mutate(value, 1));
  expect(copies.some((copy) => copy?.a?.[1] !== value.a[1] && copy?.c === value.c)).toBe(true);
  expect(value).toEqual({ a: [1, { b: 2 }], c: Int32Array.of(1) });
});
