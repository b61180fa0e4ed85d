// Does it learn, and what does EST cost or gain? A character model on a text file: 4 layers, 4 heads, width 128, context
// 64, batch 12, 2000 steps; first 90 % of the characters for training, loss over the whole rest. Dense at lr 1e-3 with
// three seeds in float32 and in bf16, then at lr 3e-3 dense, dense with the FLOPs that EST executes (1467 steps), and EST with 4 groups.
// About 30 s per run on two cores.

import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describeMachine } from '../../lib/bench/machine.ts';
import { percent, table } from '../../lib/cli/format.ts';
import { prepare } from '../../lib/prepare/prepare.ts';
import type { TrainConfigInput } from '../../lib/train/train-config-input.ts';
import { Trainer } from '../../lib/train/trainer.ts';
import { saveResults } from '../harness/results.ts';

interface Recipe {
  name: string;
  learningRate: number;
  steps: number;
  schedule: 'dense' | 'est-gpt2';
  groupsPerStep: number | 'auto' | 'sequence';
  /** Default float32. */
  precision?: 'bf16';
}

const recipes: (Recipe & { seeds: number[] })[] = [
  { name: 'dense', learningRate: 1e-3, steps: 2000, schedule: 'dense', groupsPerStep: 'auto', seeds: [1, 2, 3] },
  {
    name: 'dense, bf16',
    learningRate: 1e-3,
    steps: 2000,
    schedule: 'dense',
    groupsPerStep: 'auto',
    precision: 'bf16',
    seeds: [1, 2, 3],
  },
  { name: 'dense', learningRate: 3e-3, steps: 2000, schedule: 'dense', groupsPerStep: 'auto', seeds: [1, 2] },
  {
    name: 'dense, equal FLOPs',
    learningRate: 3e-3,
    steps: 1467,
    schedule: 'dense',
    groupsPerStep: 'auto',
    seeds: [1, 2],
  },
  {
    name: 'EST, 4 groups',
    learningRate: 3e-3,
    steps: 2000,
    schedule: 'est-gpt2',
    groupsPerStep: 'auto',
    seeds: [1, 2],
  },
  { name: 'EST, 1 group', learningRate: 3e-3, steps: 2000, schedule: 'est-gpt2', groupsPerStep: 1, seeds: [1, 2] },
  { name: 'EST, 4 groups', learningRate: 1e-3, steps: 2000, schedule: 'est-gpt2', groupsPerStep: 'auto', seeds: [1] },
];

export async function benchShakespeare(textFile: string): Promise<void> {
  const temporary = await mkdtemp(path.join(os.tmpdir(), 'burgeon-bench-'));
  try {
    const data = path.join(temporary, 'data');
    await prepare({ inputs: [textFile], output: data, tokenizer: 'chars', validationFraction: 0.1 });
    const results = [];
    for (const { seeds, ...recipe } of recipes) {
      for (const seed of seeds) {
        const result = await train(recipe, seed, data, path.join(temporary, 'run'));
        results.push({ ...recipe, seed, ...result });
        console.log(
          `${recipe.name}, lr ${recipe.learningRate}, seed ${seed}: ${result.validationLoss.toFixed(4)} nats`,
        );
      }
    }
    console.log();
    console.log(
      table([
        ['run', 'lr', 'seed', 'steps', 'validation loss', 'block FLOPs', 'seconds'],
        ...results.map((row) => [
          row.name,
          String(row.learningRate),
          String(row.seed),
          String(row.steps),
          row.validationLoss.toFixed(4),
          percent(row.blockFlopRatio),
          row.trainSeconds.toFixed(1),
        ]),
      ]),
    );
    await saveResults(
      'train-shakespeare',
      await describeMachine({ device: 'cpu', threads: os.availableParallelism() }),
      results,
    );
  } finally {
    await rm(temporary, { recursive: true });
  }
}

async function train(recipe: Recipe, seed: number, data: string, output: string) {
  const { learningRate, steps, schedule, groupsPerStep, precision = 'float32' } = recipe;
  const config: TrainConfigInput = {
    model: 'gpt2-nano',
    data: { directory: data },
    output,
    seed,
    steps,
    batchSize: 12,
    precision,
    est: { schedule, groupsPerStep },
    optimizer: {
      learningRate,
      minLearningRate: learningRate / 10,
      warmupSteps: 100,
      beta1: 0.9,
      beta2: 0.99,
      weightDecay: 0.1,
      gradientClip: 1,
    },
    evaluation: { every: 0, windows: 'all' },
  };
  const trainer = new Trainer(config, { start: 'overwrite' });
  try {
    for await (const _ of trainer.run());
    const { validationLoss, blockFlops, denseBlockFlops, trainMs } = trainer.summary;
    return {
      validationLoss: validationLoss!,
      /** Against 2000 dense steps. */
      blockFlopRatio: (blockFlops / denseBlockFlops) * (steps / 2000),
      trainSeconds: trainMs / 1000,
    };
  } finally {
    await trainer.close();
  }
}
