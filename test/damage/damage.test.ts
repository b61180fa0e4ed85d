// A storm of damage (npm run test:damage): a file of a checkpoint or of a data set is changed at random, and training goes on or
// begins. Either it ends with the bits of an undisturbed run, or it says what is damaged. Never other bits, and never another error.

import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BurgeonError } from '../../lib/errors.ts';
import { CounterRng } from '../../lib/est/rng.ts';
import { prepareText, type Settings, tinyConfig, train, trainUntil } from '../train/helpers.ts';

const trials = 300;

let root: string;
let data: string;
let remove: () => Promise<void>;
let settings: (output: string, directory?: string) => Settings;
let undisturbed: Record<string, string>;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'burgeon-damage-'));
  ({ data, remove } = await prepareText());
  settings = (output, directory = data) =>
    tinyConfig(directory, path.join(root, output), { checkpoint: { every: 5, keepLast: 5 } });
  undisturbed = (await train(settings('undisturbed'))).fingerprint;
});
afterAll(async () => {
  await remove();
  await rm(root, { recursive: true, force: true });
});

type Damage = (bytes: Buffer, rng: CounterRng) => Buffer | undefined;

const place = (bytes: Buffer, rng: CounterRng) => rng.nextBelow(Math.max(1, bytes.length));

/** Ways in which disks, copies and people damage a file; undefined: it is deleted. */
const damages: Record<string, Damage> = {
  'one bit flipped': (bytes, rng) => {
    const at = place(bytes, rng);
    bytes[at]! ^= 1 << rng.nextBelow(8);
    return bytes;
  },
  'a range zeroed': (bytes, rng) => bytes.fill(0, place(bytes, rng)),
  'a sector zeroed': (bytes, rng) => {
    const at = place(bytes, rng);
    return bytes.fill(0, at, Math.min(bytes.length, at + 512));
  },
  'a range repeated elsewhere': (bytes, rng) => {
    const [from, to] = [place(bytes, rng), place(bytes, rng)];
    bytes.copy(bytes, to, from, from + 64);
    return bytes;
  },
  'the end cut off': (bytes, rng) => bytes.subarray(0, place(bytes, rng)),
  'more at the end': (bytes, rng) => Buffer.concat([bytes, Buffer.alloc(1 + rng.nextBelow(100), 1)]),
  'nothing in it': () => Buffer.alloc(0),
  'noise in it': (bytes, rng) => Buffer.from(bytes.map(() => rng.nextBelow(256))),
  'not there': () => undefined,
};

/** Damages one file of a directory; what was done, in words. */
async function damage(directory: string, rng: CounterRng): Promise<string> {
  const names = (await readdir(directory)).sort();
  const name = names[rng.nextBelow(names.length)]!;
  const kinds = Object.keys(damages);
  const kind = kinds[rng.nextBelow(kinds.length)]!;
  const file = path.join(directory, name);
  const after = damages[kind]!(await readFile(file), rng);
  if (after === undefined) await rm(file);
  else await writeFile(file, after);
  return `${name}: ${kind}`;
}

/** How a run over damage ended, counted. */
async function outcomeOf(what: string, run: () => Promise<{ fingerprint: Record<string, string> }>): Promise<string> {
  try {
    expect((await run()).fingerprint, what).toEqual(undisturbed);
    return 'the same bits';
  } catch (error) {
    if (!(error instanceof BurgeonError)) throw error;
    expect(['ERR_BURGEON_CHECKPOINT', 'ERR_BURGEON_DATA', 'ERR_BURGEON_CONFIG'], `${what}: ${error}`).toContain(
      error.code,
    );
    expect(error.message, what).toContain(root);
    return error.code;
  }
}

function tally(outcomes: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  return [...counts].map(([outcome, count]) => `${count} ${outcome}`).join(', ');
}

test('of the newest checkpoint: named, and passed over for the one before', { timeout: 3_600_000 }, async () => {
  await trainUntil(10, settings('stopped'));
  const outcomes: string[] = [];
  for (let trial = 0; trial < trials; trial++) {
    const output = `checkpoint-${trial}`;
    await cp(path.join(root, 'stopped'), path.join(root, output), { recursive: true });
    const what = await damage(path.join(root, output, 'checkpoint-00000010'), new CounterRng(1, trial));
    outcomes.push(await outcomeOf(what, () => train(settings(output), { start: 'resume' })));
    await rm(path.join(root, output), { recursive: true });
  }
  console.log(`${trials} damaged checkpoints: ${tally(outcomes)}`);
});

test('of a data set: named', { timeout: 3_600_000 }, async () => {
  const outcomes: string[] = [];
  for (let trial = 0; trial < trials; trial++) {
    const copy = path.join(root, `data-${trial}`);
    await cp(data, copy, { recursive: true });
    const what = await damage(copy, new CounterRng(2, trial));
    outcomes.push(await outcomeOf(what, () => train(settings(`of-data-${trial}`, copy))));
    await rm(path.join(root, `of-data-${trial}`), { recursive: true, force: true });
    await rm(copy, { recursive: true });
  }
  console.log(`${trials} damaged data sets: ${tally(outcomes)}`);
});
