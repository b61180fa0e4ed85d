// Models in worker threads, which share one process and one addon: they compute what they compute alone, and a thread or
// process that ends in the middle of a native call takes nothing down with it and does not wait for ever.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished, test } from 'vitest';
import { packageRoot } from '../../lib/addon/load.ts';
import { sampleSubnetwork } from '../../lib/est/sampler.ts';
import { Model } from '../../lib/model/model.ts';
import { prepare } from '../../lib/prepare/prepare.ts';
import type { TrainConfigInput } from '../../lib/train/train-config-input.ts';
import { Trainer } from '../../lib/train/trainer.ts';
import { randomBatch, smallConfig } from '../helpers/models.ts';

const config = smallConfig();
const batchSize = 4;
const steps = 6;
const { tokens, targets } = randomBatch(config, batchSize, 16);

function start(task: string, seed: number, overrides: object = {}): Worker {
  const workerData = { task, config, batchSize, tokens, targets, seed, steps, ...overrides };
  return new Worker(path.join(import.meta.dirname, 'worker-program.mjs'), { workerData });
}

function firstMessage(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the worker ended with ${code} before it posted anything`)));
  });
}

async function trainHere(seed: number) {
  using model = await Model.create(config, { seed, threads: 2 });
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const rates = { heads: 0.5, neurons: 0.5, layers: step % 2 === 0 ? 0.5 : 1 };
    const subnetwork = sampleSubnetwork({ ...config, rates }, { seed, step, group: 0 });
    losses.push((await model.forwardBackward(tokens, targets, { batchSize, subnetwork })).loss);
    await model.optimizerStep({ lr: 1e-2 });
  }
  return { losses, weights: await model.parameter('h.1.mlp.c_fc.weight') };
}

describe('worker threads', () => {
  it('compute at once what the main thread computes alone', async () => {
    const expected = [await trainHere(1), await trainHere(2)];
    expect(expected[0]!.losses.at(-1)).toBeLessThan(expected[0]!.losses[0]!);
    const workers = [start('train', 1), start('train', 2)];
    const [first, second, here] = await Promise.all([...workers.map(firstMessage), trainHere(1)]);
    expect(first).toEqual(expected[0]);
    expect(second).toEqual(expected[1]);
    expect(here).toEqual(expected[0]);
  });

  // Calls of some 50 ms, one after the other, so that termination nearly always meets one that is running.
  const large = smallConfig({ nLayer: 4, nEmbd: 128, contextLength: 128, vocabSize: 2000 });
  const overrides = { config: large, batchSize: 8, ...randomBatch(large, 8, 128) };

  it.each(['forward', 'forwardBackward', 'optimizerStep', 'refused', 'generate'])(
    'may be terminated during %s',
    async (task) => {
      const before = await trainHere(3);
      for (let i = 0; i < 3; i++) {
        const worker = start(task, 1, overrides);
        expect(await firstMessage(worker)).toBe('busy');
        await worker.terminate();
      }
      expect(await trainHere(3)).toEqual(before);
    },
  );
});

test('a worker may be terminated during a run, which another thread then resumes', async () => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-worker-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  await writeFile(path.join(directory, 'book.txt'), 'It was the best of times. '.repeat(100));
  const data = path.join(directory, 'data');
  await prepare({ inputs: [path.join(directory, 'book.txt')], output: data, tokenizer: 'chars' });
  const run: TrainConfigInput = {
    ...{ model: 'gpt2-tiny', data: { directory: data }, output: path.join(directory, 'run'), threads: 1 },
    ...{ steps: 100_000, batchSize: 2, checkpoint: { every: 5 }, log: { peakFlops: 1e12 } },
  };
  const worker = start('trainer', 1, { run });
  expect(await firstMessage(worker)).toBe('a checkpoint');
  await worker.terminate();

  await using trainer = new Trainer(run, { start: 'resume' });
  await trainer.open();
  expect(trainer.step).toBeGreaterThanOrEqual(5);
});

describe('the process', () => {
  /** Runs a program in its own process; a crash or another exit code than 0 fails. */
  async function run(program: string): Promise<string> {
    const setup = `
      import { Model } from 'burgeon';
      const config = ${JSON.stringify(large)};
      const tokens = new Int32Array(1024);
      const model = await Model.create(config, { threads: 2 });`;
    const args = ['--input-type=module', '--eval', `${setup}\n${program}`];
    return (await promisify(execFile)(process.execPath, args, { cwd: packageRoot, timeout: 60_000 })).stdout;
  }
  const large = smallConfig({ nLayer: 4, nEmbd: 128, contextLength: 128, vocabSize: 2000 });

  it('may exit during a call', async () => {
    const output = await run(`
      model.forwardBackward(tokens, tokens, { batchSize: 8 });
      setTimeout(() => { console.log('leaving'); process.exit(0); }, 1);`);
    expect(output).toBe('leaving\n');
  });

  it('ends by itself with models that nobody disposed of', async () => {
    const output = await run(`
      const { loss } = await model.forwardBackward(tokens, tokens, { batchSize: 8 });
      console.log(loss > 0);`);
    expect(output).toBe('true\n');
  });

  it('stays alive until a call has ended', async () => {
    const output = await run(`
      model.forwardBackward(tokens, tokens, { batchSize: 8 }).then(() => console.log('done'));
      model.dispose();`);
    expect(output).toBe('done\n');
  });
});
