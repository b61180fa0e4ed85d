// A storm of faults (npm run test:ranks, TRIALS=200 SEED=1): jobs of two and four ranks, one fault each at a random moment. Whatever it is,
// every process ends in time with a message that names a rank, no more than one interval of checkpoints is lost, and the run goes on by
// one process to the bits of an undisturbed one. Times of silence are shortened (job.ts). The trial of a number is always the same.

import { appendFileSync } from 'node:fs';
import { cp, open, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CounterRng } from '../../lib/est/rng.ts';
import { prepare } from '../../lib/prepare/prepare.ts';
import { loadTrainConfig } from '../../lib/train/load-train-config.ts';
import { Trainer } from '../../lib/train/trainer.ts';
import { createWorkspace, type Workspace } from '../cli/workspace.ts';
import { sha256OfFile } from '../helpers/hash.ts';
import { freePort } from '../ranks/helpers.ts';
import { someText } from '../train/helpers.ts';
import { type Ended, Job, type JobOptions } from './job.ts';
import { type Kind, kinds, type Scene, steps } from './kinds.ts';
import { addressOf, canMakeNetworks, Network } from './network.ts';

const trials = Number(process.env.TRIALS ?? 200);
const seed = Number(process.env.SEED ?? 1);
const only = process.env.ONLY;
const every = 5;
const hasNetworks = canMakeNetworks();

let workspace: Workspace;
let undisturbed: string[];
/** Until two ranks have done their first step. */
let startMs: number;
const tally = new Map<string, { trials: number; seconds: number; tooLate: number }>();

/** Goes on by one process to the end. @returns hashes of the last weights and moments. */
async function finish(output: string): Promise<string[]> {
  const set = [`output=${workspace.path(output)}`, `data.directory=${workspace.path('data')}`, 'threads=1'];
  await using trainer = new Trainer(await loadTrainConfig(workspace.path('train.yaml'), { set, resume: true }), {
    start: 'auto',
  });
  for await (const _ of trainer.run());
  expect(trainer.isComplete).toBe(true);
  const last = workspace.path(output, `checkpoint-${String(steps).padStart(8, '0')}`);
  return Promise.all(['model.safetensors', 'optimizer.safetensors'].map((name) => sha256OfFile(path.join(last, name))));
}

/** Step of the newest checkpoint of a run. */
async function newest(output: string): Promise<number> {
  const names = await readdir(workspace.path(output)).catch(() => []);
  return Math.max(0, ...names.map((name) => Number(/^checkpoint-(\d+)$/.exec(name)?.[1] ?? 0)));
}

beforeAll(async () => {
  workspace = await createWorkspace({
    steps,
    accumulationSteps: 4,
    checkpoint: { every, keepLast: 2 },
    evaluation: { every: 20, windows: 8 },
  });
  undisturbed = await finish('undisturbed');
  const from = performance.now();
  const steady = {
    starter: 'alone',
    ranks: 2,
    directory: workspace.path(),
    output: 'steady',
    port: await freePort(),
  } as const;
  const job = new Job(steady);
  await job.untilStep(1);
  startMs = performance.now() - from;
  await job.end();
  for (const name of ['damaged', 'other']) {
    for (const each of ['train.yaml', 'data']) {
      await cp(workspace.path(each), workspace.path(name, each), { recursive: true });
    }
  }
  const shard = (await readdir(workspace.path('damaged', 'data'))).find((name) => /train.*\.bin$/.test(name))!;
  const file = await open(workspace.path('damaged', 'data', shard), 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, 3001);
  await file.write(Buffer.from([byte[0]! ^ 1]), 0, 1, 3001);
  await file.close();
  await rm(workspace.path('other', 'data'), { recursive: true });
  await writeFile(workspace.path('other', 'text.txt'), someText(8000, 2));
  await prepare({
    inputs: [workspace.path('other', 'text.txt')],
    output: workspace.path('other', 'data'),
    tokenizer: 'chars',
  });
});
afterAll(async () => {
  const rows = [...tally].map(
    ([name, { trials, seconds, tooLate }]) =>
      `${name}: ${trials}, at most ${seconds.toFixed(1)} s${tooLate > 0 ? `, ${tooLate} when all was done` : ''}`,
  );
  console.log(rows.join('\n'));
  if (!hasNetworks) console.log('cut networks were left out: they need root and `ip netns`');
  await workspace.remove();
});

/** Vitest keeps its own report until all is over: RESULTS=<file> has a line of every trial at once. */
function report(line: string): void {
  if (process.env.RESULTS) appendFileSync(process.env.RESULTS, `${line}\n`);
}

/** The kind of a trial and the other choices, by its number alone. */
function trialOf(number: number): { name: string; kind: Kind; rng: CounterRng } {
  const rng = new CounterRng(seed, number);
  const named = Object.entries(kinds).filter(([name]) => only === undefined || name.includes(only));
  let at = rng.nextBelow(named.reduce((sum, [, { weight }]) => sum + weight, 0));
  for (const [name, kind] of named) {
    at -= kind.weight;
    if (at < 0) return { name, kind, rng };
  }
  throw new Error(`ONLY=${only}: expected a part of a name of kinds.ts`);
}

const list = Array.from({ length: trials }, (_, number) => ({ number, ...trialOf(number) }));

describe.concurrent('whatever happens, all end in time and nothing is lost', () => {
  test.each(list)('$number: $name', { timeout: 240_000 }, async ({ number, name, kind, rng }) => {
    if (kind.isNetwork && !hasNetworks) return;
    const ranks = rng.nextBelow(3) === 0 ? 4 : 2;
    const victim = kind.first === 'only' ? 0 : kind.first ? rng.nextBelow(ranks) : 1 + rng.nextBelow(ranks - 1);
    const starter = kind.starters[rng.nextBelow(kind.starters.length)]!;
    const output = `run-${number}`;
    const port = await freePort();
    const network = kind.isNetwork ? new Network(number, ranks) : undefined;
    const isTraining = !(kind.isAnytime && rng.nextBelow(3) === 0);
    const options: JobOptions = {
      ...{ starter, ranks, directory: workspace.path(), output, port },
      ...(network ? { by: network.by, address: addressOf(0) } : {}),
    };
    const directories = { damaged: workspace.path('damaged'), other: workspace.path('other') };
    const scene: Scene = { rng, ranks, victim, options, directories, network, isTraining };
    const job = new Job({ ...options, ...kind.start?.(scene) });
    try {
      const happensAtStart =
        kind.start !== undefined || ['two jobs', 'strangers'].some((each) => name.startsWith(each));
      if (happensAtStart) await sleep(0);
      else if (isTraining) await job.untilStep(1 + rng.nextBelow(steps - 15)).then(() => sleep(8 * rng.nextFloat()));
      else await sleep(startMs * rng.nextFloat());
      job.ranks();
      const [from, step] = [performance.now(), job.step];
      await kind.strike?.(job, scene);
      const ended = await job.end();
      const text = ended.map(({ rank, code, stderr }) => `--- rank ${rank}, status ${code}\n${stderr}`).join('\n');
      const what = `${starter}, ${ranks} ranks, rank ${victim}, ${isTraining ? `step ${step}` : 'any time'}\n${text}`;
      expect(job.isHung, what).toBe(false);
      expect(await job.orphans(), what).toEqual([]);
      const seconds = (performance.now() - from) / 1000;
      if (kind.words) expect(seconds, what).toBeLessThan(30);
      const isComplete = (await newest(output)) === steps;
      expectWords(kind, scene, ended, isComplete, what);
      if (!kind.losesMore) expect(job.step - (await newest(output)), what).toBeLessThanOrEqual(every);
      expect(await finish(output), what).toEqual(undisturbed);
      const row = tally.get(name) ?? { trials: 0, seconds: 0, tooLate: 0 };
      row.trials++;
      row.seconds = Math.max(row.seconds, kind.words ? seconds : 0);
      if (isComplete && kind.words) row.tooLate++;
      tally.set(name, row);
      report(
        `ok    ${number} ${name}: ${starter}, ${ranks} ranks, ${isTraining ? `step ${step}` : 'any time'}, ${seconds.toFixed(1)} s`,
      );
    } catch (error) {
      report(`WRONG ${number} ${name}: ${(error as Error).message}`);
      throw error;
    } finally {
      job.kill();
      network?.remove();
      await rm(workspace.path(output), { recursive: true, force: true });
    }
  });
});

function expectWords(kind: Kind, scene: Scene, ended: readonly Ended[], isComplete: boolean, what: string): void {
  const { victim, options, isTraining } = scene;
  if (kind.words === undefined) expect(isComplete, what).toBe(true);
  // mpirun ends the others itself, and says so.
  if (isComplete || options.starter === 'mpirun') return;
  const words = isTraining ? kind.words!(scene) : /^|rank \d+/;
  for (const { rank, code, stderr } of ended) {
    const isStopped = kind.status !== undefined;
    if (rank === victim && !isStopped) continue;
    if (isStopped) expect(code, what).toBe(kind.status);
    // Those that are only told to stop say nothing more.
    if (!isStopped || rank === undefined || rank === 0) expect(stderr, what).toMatch(words);
  }
}
