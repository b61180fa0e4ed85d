// Small models and batches for tests.

import { createHash } from 'node:crypto';
import type { Gpt2Config, LlamaConfig, ModelConfig, Qwen2Config } from '../../lib/config/model-config.ts';
import { CounterRng } from '../../lib/est/rng.ts';
import type { Model } from '../../lib/model/model.ts';
import type { GenerateOptions, TensorData } from '../../lib/model/options.ts';

export function smallConfig(overrides: Partial<Gpt2Config> = {}): Gpt2Config {
  const nEmbd = overrides.nEmbd ?? 32;
  return {
    architecture: 'gpt2',
    nLayer: 3,
    nHead: 4,
    nEmbd,
    nInner: 4 * nEmbd,
    contextLength: 16,
    vocabSize: 61,
    layerNormEpsilon: 1e-5,
    ...overrides,
  };
}

/** Two query heads to each of two key and value heads, all of them wider together than the model; a head of its own. */
export function smallLlama(overrides: Partial<LlamaConfig> = {}): LlamaConfig {
  return {
    architecture: 'llama',
    nLayer: 3,
    nHead: 4,
    nKvHead: 2,
    headSize: 10,
    nEmbd: 32,
    nInner: 88,
    contextLength: 16,
    vocabSize: 61,
    rmsNormEpsilon: 1e-5,
    ropeTheta: 10_000,
    tiedHead: false,
    attentionBias: false,
    mlpBias: false,
    ...overrides,
  };
}

/** The same sizes as `smallLlama`. */
export function smallQwen2(overrides: Partial<Qwen2Config> = {}): Qwen2Config {
  const { attentionBias: _, mlpBias: __, ...shape } = smallLlama();
  return { ...shape, architecture: 'qwen2', rmsNormEpsilon: 1e-6, ropeTheta: 1e6, ...overrides };
}

/** (B, T) tokens and targets, pure functions of the seed. */
export function randomBatch(config: ModelConfig, batchSize: number, sequenceLength: number, seed = 7) {
  const rng = new CounterRng(seed, 1);
  const draw = () => Int32Array.from({ length: batchSize * sequenceLength }, () => rng.nextBelow(config.vocabSize));
  return { tokens: draw(), targets: draw() };
}

/** All tokens of `model.generate`. */
export async function generated(model: Model, prompt: ArrayLike<number>, options?: GenerateOptions): Promise<number[]> {
  const tokens: number[] = [];
  for await (const token of model.generate(prompt, options)) tokens.push(token);
  return tokens;
}

/** Replaces GPT-2's near-zero initial weights by larger ones, so that every gradient is well away from zero. */
export async function roughen(model: Model, seed = 3): Promise<void> {
  for (const [index, name] of model.tensorNames.entries()) {
    const rng = new CounterRng(seed, index);
    const values = await model.parameter(name);
    for (let i = 0; i < values.length; i++) values[i]! += 0.3 * (rng.nextFloat() - 0.5);
    await model.setParameter(name, values);
  }
}

export async function allGradients(model: Model) {
  return new Map(await sequentially(model.tensorNames, async (name) => [name, await model.gradient(name)] as const));
}

export async function allParameters(model: Model) {
  return new Map(await sequentially(model.tensorNames, async (name) => [name, await model.parameter(name)] as const));
}

/** One hash per tensor: equal exactly when all bits are. Far quicker to compare than the arrays. */
export function fingerprints(tensors: Map<string, TensorData>): Record<string, string> {
  const hash = (data: TensorData) =>
    createHash('sha1')
      .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
      .digest('hex');
  return Object.fromEntries([...tensors].map(([name, data]) => [name, hash(data)]));
}

/** One after the other: a model takes one call at a time. */
export async function sequentially<Item, Result>(items: Iterable<Item>, work: (item: Item) => Promise<Result>) {
  const results: Result[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}
