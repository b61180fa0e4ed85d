// A storm of kills (npm run test:kills): training killed before every call that changes a file, amid every write, and at
// random moments, once or three times in a row, and started again with another number of threads. Whatever was killed, the run
// ends with the weights, moments and metrics of an undisturbed one, and leaves nothing behind.

import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CounterRng } from '../../lib/est/rng.ts';
import { readMetrics } from '../../lib/train/metrics.ts';
import { createWorkspace, type Workspace } from '../cli/workspace.ts';
import { main, runNode } from '../helpers/cli.ts';
import { sha256OfFile } from '../helpers/hash.ts';

const killer = path.join(import.meta.dirname, 'kill-at.mjs');
const train = ['train', 'train.yaml', '--json', '--auto-resume', '--tensorboard'];
/** Random kills: of one process each, and of three in a row. */
const randomKills = { single: 100, triple: 50 };

let workspace: Workspace;
let undisturbed: Awaited<ReturnType<typeof outcome>>;
/** Names of the calls that change files, in order. */
let calls: string[];
/** From the first output of an undisturbed process to its end. */
let durationMs: number;
const tally = { kills: 0, runs: 0 };

/** Starts or goes on with a run; `killAt` as in kill-at.mjs. */
function start(run: string, { killAt, threads = 1, log, killAfterMs }: Start = {}) {
  return runNode(['--import', killer, main, ...train, '--set', `output=${run}`], {
    cwd: workspace.path(),
    env: {
      BURGEON_THREADS: String(threads),
      ...(killAt === undefined ? {} : { KILL_AT: killAt }),
      ...(log === undefined ? {} : { CALLS_LOG: log }),
    },
    ...(killAfterMs === undefined ? {} : { killAfterMs }),
  });
}
interface Start {
  killAt?: string;
  threads?: number;
  log?: string;
  killAfterMs?: number;
}

/** Everything a run must have in common with an undisturbed one. */
async function outcome(run: string) {
  const names = await readdir(workspace.path(run));
  const hashes: Record<string, string> = {};
  const checkpoints = names.filter((name) => name.startsWith('checkpoint-')).sort();
  for (const checkpoint of checkpoints) {
    for (const file of ['model.safetensors', 'optimizer.safetensors']) {
      hashes[`${checkpoint}/${file}`] = await sha256OfFile(workspace.path(run, checkpoint, file));
    }
  }
  const lines = await readMetrics(workspace.path(run, 'metrics.jsonl'));
  const of = (kind: string) => lines.filter((line) => line.kind === kind);
  return {
    // The draft of a lock that was half written is taken for that of a process which is just starting, for ten seconds.
    names: names.filter((name) => !/^(events\.out\.|metrics-\d+\.jsonl|\.burgeon\.lock\.new-)/.test(name)).sort(),
    hashes,
    steps: of('step').map((line) => [line.step, 'loss' in line && line.loss]),
    validations: of('validation').map((line) => [line.step, 'loss' in line && line.loss]),
    samples: of('sample').map((line) => [line.step, 'text' in line && line.text]),
    checkpoints: of('checkpoint').map(({ step }) => step),
    ended: of('end').map((line) => 'state' in line && line.state),
  };
}

/** Goes on to the end and compares. */
async function expectUndisturbed(run: string, threads: number): Promise<void> {
  const { code, stderr } = await start(run, { threads });
  expect(code, stderr).toBe(0);
  expect(await outcome(run)).toEqual(undisturbed);
  tally.runs++;
  await rm(workspace.path(run), { recursive: true });
}

beforeAll(async () => {
  workspace = await createWorkspace({
    checkpoint: { every: 5, keepLast: 1 },
    sample: { every: 5, length: 5 },
    evaluation: { every: 5, windows: 4 },
  });
  const log = workspace.path('calls.log');
  const from = performance.now();
  const { code, stderr } = await start('undisturbed', { log });
  expect(code, stderr).toBe(0);
  // Most of the time goes by before the first output, from which kills are counted.
  durationMs = (performance.now() - from) / 4;
  undisturbed = await outcome('undisturbed');
  calls = (await readFile(log, 'utf8')).trimEnd().split('\n');
});
afterAll(async () => {
  console.log(`${tally.kills} kills, ${tally.runs} runs finished afterwards; ${calls.length} calls that change files`);
  await workspace.remove();
});

test('before every call that changes a file, and amid every write', {
  timeout: 3_600_000,
}, async () => {
  expect(calls.length).toBeGreaterThan(50);
  for (const [i, name] of calls.entries()) {
    for (const when of /write|append/i.test(name) ? ['before', 'amid'] : ['before']) {
      const run = `aimed-${i + 1}-${when}`;
      const killed = await start(run, { killAt: `${i + 1}:${when}` });
      // Calls of a metrics timer come when they come: a process may have fewer of them.
      expect(killed.signal ?? killed.code, `${name}: ${killed.stderr}`).toBeOneOf(['SIGKILL', 0]);
      if (killed.signal) tally.kills++;
      await expectUndisturbed(run, 1 + (i % 2));
    }
  }
});

test.each([
  ['once', randomKills.single, 1],
  ['three times in a row', randomKills.triple, 3],
])('at random moments, %s', { timeout: 3_600_000 }, async (_, runs, kills) => {
  const rng = new CounterRng(1, kills);
  for (let i = 0; i < runs; i++) {
    const run = `random-${kills}-${i}`;
    for (let kill = 0; kill < kills; kill++) {
      const killed = await start(run, { killAfterMs: rng.nextFloat() * durationMs, threads: 1 + rng.nextBelow(2) });
      expect(killed.signal ?? killed.code, killed.stderr).toBeOneOf(['SIGKILL', 0]);
      if (killed.signal) tally.kills++;
    }
    await expectUndisturbed(run, 1 + (i % 2));
  }
});
