// What the methods of a model take and give.

import type { SpecialIds } from '../checkpoint/special-ids.ts';
import type { Device } from '../config/device.ts';
import type { FlopComponents } from '../est/flops.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import type { OptimizerType } from '../optim/optimizer.ts';
import type { RankOf } from '../ranks/shares.ts';
import type { SamplingOptions } from './next-token.ts';

/**
 * float32 everywhere; bf16: activations and operands of matrix products are bfloat16, while weights, gradients, moments and sums stay
 * float32; float64 for checks (reference only). auto: bf16 on CUDA devices, else float32.
 */
export type Precision = 'auto' | 'float32' | 'bf16' | 'float64';
export type TensorData = Float32Array | Float64Array;

export interface ModelOptions {
  /** Threads of the processor's engine. Default: BURGEON_THREADS, or one per available core. Results do not depend on it. */
  threads?: number | undefined;
  /** Default 'auto'. */
  device?: Device | undefined;
  /** Default 'auto'. */
  precision?: Precision | undefined;
  /** What updates the matrices of layers, and so what is kept of them; AdamW updates all others. Default 'adamw'. */
  optimizer?: OptimizerType | undefined;
  /**
   * Of CUDA devices: whether what a micro-batch launches is kept as a graph and launched at once when its like comes again. The bits
   * are the same. Default true, unless BURGEON_CUDA_GRAPHS is 'off'.
   */
  graphs?: boolean | undefined;
  /** The largest batch that will be trained with: where it does not fit, that is said before anything is allocated. */
  largestBatch?: { batchSize: number; sequenceLength: number } | undefined;
  /**
   * Of one of several ranks, which keeps the moments of its part of the rows only and updates these (docs/distributed.md). Default: all.
   */
  shard?: RankOf | undefined;
  /** Times every op, for `takeProfile`. Default false. @internal */
  profile?: boolean | undefined;
}

export interface CreateOptions extends ModelOptions {
  /** Seed of the initial weights. Default 1. */
  seed?: number | undefined;
  /** Tokenizer files kept with the model by `save`; see `Tokenizer.files()`. */
  tokenizerFiles?: Readonly<Record<string, string>> | undefined;
  /** Id of the end-of-text token, if the vocabulary has one. */
  endOfText?: number | undefined;
  /** Of a model that was read: what its files say of special tokens, instead of `endOfText` alone. @internal */
  specialIds?: SpecialIds | undefined;
}

export interface BatchOptions {
  /** Sequences in the batch, B; tokens are (B, T) row-major, so T = tokens.length / B. Default 1. */
  batchSize?: number | undefined;
  /** Active layers, heads and neurons; omit for the full model. */
  subnetwork?: Subnetwork | undefined;
}

export interface ForwardOptions extends BatchOptions {
  /** (B, T) row-major; -1 is ignored. Without targets there is no loss. */
  targets?: Int32Array | undefined;
  /** Also return logits: of the last position (B, V), or of all (B, T, V). */
  logits?: 'last' | 'all' | undefined;
}

export interface StepResult {
  /** Mean nats per target that is not -1; 0 without targets. */
  loss: number;
  /** FLOPs executed, counted while computing; equal to what `countFlops` predicts. */
  forwardFlops: FlopComponents;
  backwardFlops: FlopComponents;
  /** Kernels that a CUDA device ran; 0 elsewhere, and where logits were asked for. */
  kernels: number;
  /** Milliseconds of native work. */
  ms: number;
}

export interface ForwardResult extends StepResult {
  logits?: TensorData;
}

/** Consecutive sequences of a batch that share a subnetwork. */
export interface SequenceGroup {
  sequences: number;
  /** Omit for the full model. */
  subnetwork?: Subnetwork | undefined;
}

export interface BackwardOptions extends BatchOptions {
  /**
   * Instead of one subnetwork for all: who shares which, in order, as many sequences together as the batch has. What all share, embeddings
   * and output head, is computed once for the whole batch.
   */
  groups?: readonly SequenceGroup[] | undefined;
  /** Factor of the gradient that is added. Default 1. */
  weight?: number | undefined;
}

export interface OptimizerOptions {
  lr: number;
  /** Default 0.9. */
  beta1?: number | undefined;
  /** Default 0.95. */
  beta2?: number | undefined;
  /** Default 1e-8. */
  epsilon?: number | undefined;
  /** Of Muon. Default 0.95. */
  momentum?: number | undefined;
  /** Decoupled, on matrices only. Default 0. */
  weightDecay?: number | undefined;
  /** Whether only elements decay that the rest of the update does not move away from zero (docs/method.md). Default false. */
  cautiousWeightDecay?: boolean | undefined;
  /** Largest global gradient norm; 0 turns clipping off. Default 0. */
  gradientClip?: number | undefined;
  /** What happens to units no group of the step touched (docs/method.md). Default 'zero-grad'. */
  inactive?: 'zero-grad' | 'freeze' | undefined;
  /**
   * What any step so far has trained, all units with gradients among it; the rest is left alone, whatever `inactive` says. Default:
   * the full model.
   */
  trained?: Subnetwork | undefined;
}

export interface UpdateResult {
  /** Of the global gradient, before clipping. */
  gradientNorm: number;
  /** Mean losses of what was accumulated. */
  losses: number[];
  /** FLOPs of Muon's products, counted while computing; equal to what `countNewtonSchulzFlops` predicts. 0 with AdamW. */
  newtonSchulzFlops: number;
  /** Milliseconds of native work. */
  ms: number;
}

export interface GenerateOptions extends SamplingOptions {
  /** Tokens to add. Default 100. */
  maxTokens?: number | undefined;
  /** Tokens that the model looks back on at most. Default, and at most: its context length. */
  sequenceLength?: number | undefined;
  /** Default 1. */
  seed?: number | undefined;
  /** What takes part; omit for the full model. */
  subnetwork?: Subnetwork | undefined;
  /** Generation ends before this token, or one of these. */
  stopToken?: number | readonly number[] | undefined;
  signal?: AbortSignal | undefined;
}
