// docs/errors.md against the program: every code has a section, and the message quoted there is the one that comes.
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findAddon, packageRoot } from '../../lib/addon/load.ts';
import { describePlatform } from '../../lib/addon/platform.ts';
import { type BurgeonError, type BurgeonErrorCode, errorCodes } from '../../lib/errors.ts';
import { Model } from '../../lib/model/model.ts';
import { Communicator } from '../../lib/ranks/communicator.ts';
import { parseTrainConfig } from '../../lib/train/train-config.ts';

const text = await readFile(path.join(packageRoot, 'docs', 'errors.md'), 'utf8');
const sections = new Map(
  text
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')), section]),
);

let model: Model;
let directory: string;
const before = process.cwd();

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-errors-'));
  process.chdir(directory);
  model = await Model.create({ preset: 'gpt2-tiny', vocabSize: 256 });
});
afterAll(async () => {
  model.dispose();
  process.chdir(before);
  await rm(directory, { recursive: true });
});

/** What leads to the message in each section. */
const causes: Record<BurgeonErrorCode, () => unknown> = {
  ERR_BURGEON_CONFIG: () =>
    parseTrainConfig({
      model: 'gpt2',
      output: 'runs/a',
      steps: 1000,
      batchSize: 0,
      optimizer: { lr: 1e-3 },
      est: { schedule: 'est-gtp2' },
    }),
  ERR_BURGEON_SHAPE: () => model.forward(new Int32Array(33)),
  ERR_BURGEON_DTYPE: () => model.forward([1, 2, 3] as never),
  async ERR_BURGEON_BUSY() {
    const running = model.forward(new Int32Array(32));
    try {
      await model.optimizerStep({ lr: 1e-3 });
    } finally {
      await running;
    }
  },
  async ERR_BURGEON_DISPOSED() {
    const disposed = await Model.create({ preset: 'gpt2-tiny', vocabSize: 256 });
    disposed.dispose();
    await disposed.forward(new Int32Array(32));
  },
  ERR_BURGEON_BACKEND: () => findAddon(['build/Debug/burgeon.node', 'build/Release/burgeon.node']),
  ERR_BURGEON_OUT_OF_MEMORY: () => Model.create({ preset: 'gpt2-xl', nLayer: 1024, nEmbd: 51_200 }),
  async ERR_BURGEON_CUDA() {
    process.env.BURGEON_CUDA_LIBRARY = 'build/cuda/libburgeon_cuda.so';
    try {
      await Model.create({ preset: 'gpt2-tiny', vocabSize: 256 }, { device: 'cuda' });
    } finally {
      delete process.env.BURGEON_CUDA_LIBRARY;
    }
  },
  async ERR_BURGEON_NONFINITE() {
    using broken = await Model.create({ preset: 'gpt2-tiny', vocabSize: 256 });
    await broken.setParameter('ln_f.bias', new Float32Array(64).fill(Number.NaN));
    await broken.forwardBackward(new Int32Array(32), new Int32Array(32));
  },
  ERR_BURGEON_DATA: () => model.forward(Int32Array.of(1, 2, 256)),
  async ERR_BURGEON_CHECKPOINT() {
    await mkdir('runs/book', { recursive: true });
    await Model.load('runs/book');
  },
  ERR_BURGEON_RANKS: () => Communicator.connect({ rank: 1, size: 2, address: '127.0.0.1', port: 1, meetSeconds: 1 }),
};

/** What differs between machines. */
function portable(message: string): string {
  return message
    .replace(`${process.cwd()}/`, '')
    .replace(/this machine has [\d.]+ GiB/, 'this machine has some GiB')
    .replace('-nan', 'nan')
    .replace(describePlatform(), 'linux-x64, glibc 2.36');
}

describe('docs/errors.md', () => {
  it('has one section for each code, in their order', () => {
    expect([...sections.keys()]).toEqual([...errorCodes]);
  });

  it.each(Object.entries(causes))('%s quotes what the program says', async (code, cause) => {
    const quoted = [...sections.get(code)!.matchAll(/^```text\n(.*?)\n```$/gms)].map((match) => portable(match[1]!));
    const error = await Promise.resolve()
      .then(cause)
      .then(
        () => undefined,
        (reason: BurgeonError) => reason,
      );
    expect(error?.code).toBe(code);
    expect(quoted).toEqual([portable(error!.message)]);
  });
});
