// The models, subnetworks and batches of the self-check. Pure.

import { type ModelConfig, parseModelConfig } from '../config/model-config.ts';
import { CounterRng } from '../est/rng.ts';
import { sampleSubnetwork } from '../est/sampler.ts';
import type { Subnetwork } from '../est/subnetwork.ts';

export interface CheckCase {
  name: string;
  config: ModelConfig;
  batchSize: number;
  sequenceLength: number;
}

const llama = { architecture: 'llama', rmsNormEpsilon: 1e-5, ropeTheta: 10_000, tiedHead: false } as const;
const noBias = { ...llama, attentionBias: false, mlpBias: false } as const;
const biases = { ...llama, attentionBias: true, mlpBias: true } as const;
const qwen2 = { architecture: 'qwen2', tiedHead: true } as const;
const gpt2 = { architecture: 'gpt2', layerNormEpsilon: 1e-5 } as const;

/** Sizes that fill the tiles of tensor cores and sizes that fill none; lengths are multiples of no tile. */
export function checkCases(isQuick: boolean): CheckCase[] {
  const all: [name: string, model: object, batchSize: number, sequenceLength: number, isQuick?: true][] = [
    ['gpt2, heads of 64', { ...gpt2, nLayer: 2, nHead: 2, nEmbd: 128, nInner: 128, vocabSize: 80 }, 1, 20, true],
    ['gpt2, odd sizes', { ...gpt2, nLayer: 3, nHead: 3, nEmbd: 15, nInner: 37, vocabSize: 61 }, 2, 11, true],
    [
      'llama, grouped queries, biases, odd sizes',
      { ...biases, nLayer: 2, nHead: 4, nKvHead: 2, headSize: 10, nEmbd: 32, nInner: 44, vocabSize: 61 },
      1,
      13,
      true,
    ],
    [
      'qwen2, biases of queries, keys and values only',
      { ...qwen2, nLayer: 2, nHead: 6, nKvHead: 2, headSize: 16, nEmbd: 96, nInner: 80, vocabSize: 61 },
      1,
      12,
      true,
    ],
    ['gpt2, heads of 64, longer', { ...gpt2, nLayer: 2, nHead: 4, nEmbd: 256, nInner: 512, vocabSize: 320 }, 2, 150],
    ['gpt2, heads of 128', { ...gpt2, nLayer: 2, nHead: 2, nEmbd: 256, nInner: 512, vocabSize: 320 }, 2, 77],
    [
      'llama, heads of 64, grouped queries',
      { ...noBias, nLayer: 2, nHead: 4, nKvHead: 2, headSize: 64, nEmbd: 256, nInner: 512, vocabSize: 320 },
      2,
      130,
    ],
    [
      'llama, heads of 128, biases',
      { ...biases, nLayer: 2, nHead: 2, nKvHead: 2, headSize: 128, nEmbd: 256, nInner: 384, vocabSize: 320 },
      1,
      65,
    ],
  ];
  return all
    .filter(([, , , , quick]) => quick || !isQuick)
    .map(([name, model, batchSize, sequenceLength]) => ({
      name,
      config: parseModelConfig({ ...model, contextLength: sequenceLength }),
      batchSize,
      sequenceLength,
    }));
}

/** Half of everything. */
export function halfOf(config: ModelConfig, group = 0): Subnetwork {
  return sampleSubnetwork({ ...config, rates: { heads: 0.5, neurons: 0.5, layers: 0.7 } }, { seed: 5, step: 0, group });
}

/** The first half of everything, as a smaller model has it. */
export function firstHalfOf(config: ModelConfig): Subnetwork {
  const rates = { heads: 0.5, neurons: 0.5, layers: 0.5 };
  const choose = { heads: 'first', neurons: 'first', layers: 'first' } as const;
  return sampleSubnetwork({ ...config, rates, choose }, { seed: 5, step: 0, group: 0 });
}

/** (B, T) tokens and targets, pure functions of the seed. */
export function randomBatch({ config, batchSize, sequenceLength }: CheckCase, seed = 7) {
  const rng = new CounterRng(seed, 1);
  const draw = () => Int32Array.from({ length: batchSize * sequenceLength }, () => rng.nextBelow(config.vocabSize));
  return { tokens: draw(), targets: draw() };
}
