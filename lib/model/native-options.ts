// What a model is made with, from options and environment: device, precision, threads; and what it takes of memory.

import os from 'node:os';
import type { NativeMemoryPlan, NativeModelConfig, NativeModelOptions } from '../addon/binding.ts';
import { loadAddon, nativeSync } from '../addon/load.ts';
import { architectureOf } from '../config/architecture.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { BurgeonError } from '../errors.ts';
import type { PartSize } from '../est/part.ts';
import { type OptimizerType, optimizerTypes } from '../optim/optimizer.ts';
import { keptSums } from '../ranks/shares.ts';
import { describe, requireOneOf } from './arguments.ts';
import { type ChosenDevice, chooseDevice } from './device.ts';
import type { ModelOptions, Precision } from './options.ts';

export function nativeConfig(config: ModelConfig, optimizer: OptimizerType): NativeModelConfig {
  const { nLayer, nHead, nEmbd, nInner, contextLength, vocabSize } = config;
  return { nLayer, nHead, nEmbd, nInner, contextLength, vocabSize, ...architectureOf(config), optimizer };
}

export function chooseOptimizer(optimizer: OptimizerType = 'adamw'): OptimizerType {
  return requireOneOf('optimizer', optimizerTypes, optimizer);
}

export function nativeOptions(options: ModelOptions): NativeModelOptions {
  const device = chooseDevice(options.device);
  return {
    ...device,
    maxIsa: process.env.BURGEON_MAX_ISA ?? '',
    precision: choosePrecision(device, options.precision),
    threads: chooseThreads(options.threads),
    graphs: options.graphs ?? process.env.BURGEON_CUDA_GRAPHS !== 'off',
    profile: options.profile ?? false,
    ...(options.shard && { shard: options.shard }),
    ...options.largestBatch,
  };
}

export interface MemoryPlan extends NativeMemoryPlan {
  /** Of gradients, kept while the micro-batches of a step add up. */
  sums: number;
}

/**
 * What a model takes of its device's memory when it trains with batches of this shape, in bytes: exactly what it will allocate,
 * if no more than `part` of it is active, and so many micro-batches add up in a step; of several ranks that have so many each, the most.
 * Nothing is allocated, and of a CUDA device only the library is needed.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG, ERR_BURGEON_BACKEND, ERR_BURGEON_CUDA.
 */
export function planMemory(
  config: ModelConfig,
  batchSize: number,
  sequenceLength: number,
  options: ModelOptions & { part?: PartSize | undefined; accumulationSteps?: number; ranks?: number } = {},
): MemoryPlan {
  const { binding } = loadAddon();
  const { part, accumulationSteps = 1, ranks = 1, ...model } = options;
  const plan = nativeSync(() =>
    binding.planMemory(
      nativeConfig(config, chooseOptimizer(model.optimizer)),
      nativeOptions(model),
      batchSize,
      sequenceLength,
      part,
    ),
  );
  const sums = keptSums(accumulationSteps * ranks, ranks) * plan.gradients;
  return { ...plan, sums, total: plan.total + sums };
}

/** What a precision means on a device. */
export function choosePrecision({ backend }: ChosenDevice, precision: Precision = 'auto') {
  const chosen = requireOneOf('precision', ['auto', 'float32', 'bf16', 'float64'], precision);
  return chosen !== 'auto' ? chosen : backend === 'cuda' ? 'bf16' : 'float32';
}

/** Most threads of the engine. */
const maxThreads = 1024;

/** The option, else BURGEON_THREADS, else one per available core. */
export function chooseThreads(threads?: number): number {
  const given = process.env.BURGEON_THREADS;
  if (threads !== undefined) return threads;
  if (given === undefined || given === '') return Math.min(os.availableParallelism(), maxThreads);
  const parsed = Number(given);
  if (Number.isInteger(parsed) && parsed >= 1 && parsed <= maxThreads) return parsed;
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `BURGEON_THREADS: expected an integer from 1 to ${maxThreads}, received ${describe(given)}`,
  );
}
