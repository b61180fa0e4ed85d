// The native addon's exact type. Counterpart of native/addon/; only lib/addon/load.ts and lib/model/ use it.

import type { Architecture } from '../config/architecture.ts';
import type { ModelConfig } from '../config/model-config.ts';

/** FLOPs of one pass by component: matrix products and the causal triangle of attention, 2 per multiply-add. */
export interface NativeFlops {
  qkv: number;
  scores: number;
  outProjection: number;
  mlp: number;
  head: number;
}

export type NativeModelConfig = Pick<
  ModelConfig,
  'nLayer' | 'nHead' | 'nEmbd' | 'nInner' | 'contextLength' | 'vocabSize'
> &
  Architecture & { optimizer: 'adamw' | 'muon' };

/** What computes. */
export interface NativeBackendOptions {
  backend: string;
  /** Highest instruction set to use: 'amx', 'avx512bf16', 'avx512', 'avx2', 'baseline', or '' for the best there is. */
  maxIsa: string;
  precision: 'float32' | 'bf16' | 'float64';
  threads: number;
  /** Of the backend 'cuda'. */
  cudaLibrary?: string;
  cudaDevice?: number;
  /** Path of cuBLASLt, '' for where it usually is, or 'off'; and of the file of its plans, '' for none. */
  cublasLt?: string;
  cudaPlans?: string;
  /** Path of NCCL, as that of cuBLASLt. */
  nccl?: string;
}

export interface NativeModelOptions extends NativeBackendOptions {
  /** Of the backend 'cuda': whether steps are recorded as graphs. */
  graphs?: boolean;
  /** Whether every op is timed, for `takeProfile`. Default false. */
  profile?: boolean;
  /** The rank that this is, where moments are divided over ranks: native/model/row_shards.h. */
  shard?: { rank: number; size: number };
  /** The largest training batch to come: what does not fit is refused before anything is allocated. */
  batchSize?: number;
  sequenceLength?: number;
}

/** In bytes; native/model/memory_plan.h. */
export interface NativeMemoryPlan {
  weights: number;
  gradients: number;
  /** AdamW's two; Muon's one of matrices of layers. */
  moments: number;
  /** Lists of active rows; on CUDA devices also gathered weights and their gradients. */
  slots: number;
  /** With the buffers of the backward pass and the block of logits. */
  activations: number;
  /** Of ops, and of Muon's products. */
  scratch: number;
  total: number;
  /** What the device has; 0, and no name, where there is none. */
  capacity: number;
  deviceName: string;
}

/** What there is of CUDA on this machine; at least one device. */
export interface NativeCuda {
  /** 'CUDA 13.0' */
  toolkit: string;
  /** Of the library's code: 'sm_80 sm_90a compute_80'. */
  architectures: string;
  /** What computes products of bf16: 'cuBLASLt 13.1.1', or own kernels and why. */
  products: string;
  /** What carries gradients between devices of several ranks: 'NCCL 2.30.7', or the host and why. */
  nccl: string;
  devices: { name: string; memoryBytes: number; capability: string }[];
}

/** One call of an op in a model that is profiled. */
export interface NativeOpEvent {
  /** As in native/backend/backend.h. */
  op: string;
  /** Nanoseconds from its start until it was asked for; negative for ops of a device that had still to come. */
  agoNs: number;
  durationNs: number;
  flops: number;
  /** The integers among its arguments, and of parts their elements, in their order; five, zeros at the end. */
  sizes: number[];
}

/** As lib/est/subnetwork.ts, with the factors of every active layer; absent ones are 1. */
export interface NativeSubnetwork {
  layers?: Int32Array | undefined;
  heads?: (Int32Array | undefined)[] | undefined;
  queryHeads?: (Int32Array | undefined)[] | undefined;
  neurons?: (Int32Array | undefined)[] | undefined;
  layerScale?: Float64Array | undefined;
  headScale?: Float64Array | undefined;
  neuronScale?: Float64Array | undefined;
}

/** Consecutive sequences of a batch and the subnetwork they share. */
export interface NativeGroup extends NativeSubnetwork {
  /** Left out of the only group: all. */
  sequences?: number;
}

/** A micro-batch. */
export interface NativeMicroBatch {
  /** (B, T). */
  tokens: Int32Array;
  /** (B, T), or null where there need be none. */
  targets: Int32Array | null;
  batchSize: number;
  sequenceLength: number;
  /** In order, as many sequences together as the batch has. */
  groups: readonly NativeGroup[];
}

/** Rows of a tensor that become those of another, or of the same: weights and both moments, each times a factor. */
export interface NativeRowCopy {
  /** Positions in the list of tensors. */
  to: number;
  toRow: number;
  from: number;
  fromRow: number;
  rows: number;
  weight: number;
  m: number;
  v: number;
}

export interface NativeStepResult {
  /** Mean nats per target that is not -1; 0 without targets. */
  loss: number;
  /** Kernels that a CUDA device ran from operands to losses; else 0. */
  kernels: number;
  /** FLOPs that were executed, counted by the kernels. */
  forwardFlops: NativeFlops;
  backwardFlops: NativeFlops;
  /** Time of the native work in milliseconds. */
  ms: number;
  logits?: Float32Array | Float64Array;
}

export interface NativeOptimizerStep {
  lr: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Muon's. */
  momentum: number;
  weightDecay: number;
  cautiousWeightDecay: boolean;
  /** Largest global gradient norm; 0 turns clipping off. */
  gradientClip: number;
  /** 1-based number of the update, for the bias correction. */
  step: number;
  freeze: boolean;
  /** What any step has trained; the rest is neither read nor written. Absent: all. */
  trained?: NativeSubnetwork | undefined;
}

/** Which of a tensor's four arrays: weight, gradient, first and second moment. */
export const roles = { weight: 0, gradient: 1, m: 2, v: 3 } as const;
export type Role = keyof typeof roles;

/** A tensor in the engine's own name and layout: (rows, cols), row-major. */
export interface NativeTensor {
  name: string;
  /** -1 outside the layers. */
  layer: number;
  rows: number;
  cols: number;
  /** Which units its rows are: none, those of the whole layer, queries, keys and values of heads, heads, neurons. */
  sampled: 'never' | 'layer' | 'qkv' | 'heads' | 'neurons';
}

export interface NativeModelInfo {
  backend: string;
  isa: string;
  /** Why this backend and instruction set, in one line. */
  reason: string;
  threads: number;
  precision: 'float32' | 'bf16' | 'float64';
  /** Weights, gradients and moments. */
  parameterBytes: number;
  activationBytes: number;
  /** What carries gradients between its device and those of other ranks: 'NCCL 2.30.7'; '' for the host. */
  links: string;
}

/** One call at a time; a second one throws ERR_BURGEON_BUSY. Arrays are copied before a call returns. */
export interface NativeModel {
  /** @param logits 0 none, 1 of the last position (B, V), 2 of all (B, T, V). */
  forward(batch: NativeMicroBatch, logits: 0 | 1 | 2): Promise<NativeStepResult>;
  /**
   * Reads tokens (B, T) that follow the `past` tokens read before; 0 starts a text, with room for `capacity` tokens per
   * sequence. Resolves to the logits (B, V) of the last token. All tokens of a text have one group, the same.
   */
  extend(batch: NativeMicroBatch, past: number, capacity: number): Promise<Float32Array | Float64Array>;
  forwardBackward(batch: NativeMicroBatch, weight: number): Promise<NativeStepResult>;
  /** The same, resolved as soon as its work is queued; its loss is NaN, and the next optimizerStep has it. */
  accumulate(batch: NativeMicroBatch, weight: number): Promise<NativeStepResult>;
  /** `losses`: of all micro-batches accumulated since the last. */
  optimizerStep(
    step: NativeOptimizerStep,
  ): Promise<{ gradientNorm: number; losses: number[]; newtonSchulzFlops: number; ms: number }>;
  /** Of the micro-batches accumulated since the last update, those included that are not finite. */
  takeLosses(): Promise<number[]>;
  /** Adds `merges` sums kept before to the gradients, the newest first; then, where `keeps`, keeps and clears them. */
  foldGradients(merges: number, keeps: boolean): Promise<void>;
  /** Replaces the gradients by the sums over all ranks and `microBatches`. Rejects with ERR_BURGEON_RANKS or _SHAPE: they are then cleared. */
  exchangeGradients(communicator: NativeCommunicator, microBatches: number): Promise<void>;
  /** Gives all ranks the weights of rank 0, and its moments where they are not divided. */
  broadcastState(communicator: NativeCommunicator): Promise<void>;
  /** Where moments are divided, after each update: gives all ranks the weights that it has changed. */
  gatherWeights(communicator: NativeCommunicator): Promise<void>;
  /** Where moments are divided: rows of one, the same in every rank; as `read`. */
  gatherRows(
    communicator: NativeCommunicator,
    role: number,
    tensor: number,
    firstRow: number,
    rows: number,
  ): Promise<Float32Array | Float64Array>;
  /** Likewise: gives rows that rank 0 passes to those they belong to. */
  scatterRows(
    communicator: NativeCommunicator,
    role: number,
    tensor: number,
    firstRow: number,
    rows: number,
    data: Float32Array | Float64Array | undefined,
  ): Promise<unknown>;
  clearGradients(): void;
  /** In order, where the arrays live. All ranks make the same where moments are divided over them. */
  copyRows(copies: readonly NativeRowCopy[], communicator?: NativeCommunicator): Promise<void>;
  /** A copy of `rows` rows of a tensor from row `firstRow` on. */
  read(role: number, tensor: number, firstRow: number, rows: number): Float32Array | Float64Array;
  /** Replaces as many rows. */
  write(role: number, tensor: number, firstRow: number, rows: number, data: Float32Array | Float64Array): void;
  tensors(): NativeTensor[];
  /** Bytes of activations a batch of this shape would take. */
  planBytes(batchSize: number, sequenceLength: number, gradients: boolean): number;
  /** The ops called since the last time; none unless the model is profiled. */
  takeProfile(): NativeOpEvent[];
  info(): NativeModelInfo;
  dispose(): void;
}

/**
 * The other ranks of a job. One call at a time, the same one in every rank; each rejects with ERR_BURGEON_RANKS, naming the rank,
 * where one has ended, is silent or gave up. `what` names a call for people.
 */
export interface NativeCommunicator {
  /** Resolves when all have met. `address` and `port` of rank 0. `mpiLibrary`: path of what speaks MPI; empty for TCP. */
  meet(options: {
    mpiLibrary: string;
    rank: number;
    size: number;
    address: string;
    port: number;
    meetSeconds: number;
    silenceSeconds: number;
  }): Promise<void>;
  /** Element by element, in the order of a binary tree over the ranks; as many of each. */
  sum(numbers: readonly number[], what: string): Promise<number[]>;
  /** The text of rank 0; what the others pass does not count. */
  broadcast(text: string, what: string): Promise<string>;
  /** The others fail with these words. */
  giveUp(why: string): void;
  close(): void;
}

/** Ops that can be checked and measured alone; native/bench/op_cases.cc. */
export type NativeOp =
  | 'expand'
  | 'contract'
  | 'input_gradient'
  | 'weight_gradient'
  | 'mlp_forward'
  | 'mlp_backward'
  | 'swiglu_forward'
  | 'swiglu_backward'
  | 'rotary'
  | 'attention_forward'
  | 'attention_backward'
  | 'cache_append'
  | 'attention_cached'
  | 'head_forward'
  | 'cross_entropy'
  | 'head_loss'
  | 'head_input_gradient'
  | 'head_weight_gradient'
  | 'norm_forward'
  | 'norm_backward'
  | 'embedding_forward'
  | 'embedding_backward'
  | 'gather'
  | 'gather_vector'
  | 'scatter_add'
  | 'adamw'
  | 'muon'
  | 'sum_of_squares';

/** Dimensions of an op; those it does not take are not looked at, of the others only three have defaults. */
export interface NativeOpShape {
  /** Tokens; of the head and cross_entropy those of a micro-batch, of which an op takes one block of logits. All but those on weights alone, from gather to sum_of_squares. */
  n?: number;
  /** Rows of the weight; of the embeddings and the head: the vocabulary. Products, embeddings, gather to sum_of_squares. */
  rows?: number;
  /** Active ones, spread evenly over the rows; all (the default) take the path without a list. Not the embeddings and the head. */
  activeRows?: number;
  /** Active rows come in runs of so many neighbours, as those of a head do. Default 1. */
  blockRows?: number;
  /** Columns of the weight, the model's width; of cross_entropy: the vocabulary. All but attention and vectors. */
  cols?: number;
  /** Tokens per sequence; divides n. Attention, rotary and embeddings. */
  sequence?: number;
  /** Tokens of each sequence in the cache before. cache_append and attention_cached. */
  past?: number;
  /** Active heads. Attention and rotary. */
  heads?: number;
  /** Heads of keys and values; divides heads. Default: as many. */
  kvHeads?: number;
  headSize?: number;
}

export interface NativeOpOptions extends NativeBackendOptions {
  op: NativeOp;
  precision: 'float32' | 'bf16';
  /** Timed repetitions of each shape, 1 to 10000. */
  rounds: number;
  /** Whether caches are evicted before each repetition; otherwise it follows an untimed one of the same operands. */
  cold: boolean;
}

export interface NativeOpTiming {
  /** Milliseconds of each repetition. */
  ms: number[];
  /** With cold caches: of a copy that reads half of `bytes` and writes as much, in the same rounds; else empty. */
  copyMs: number[];
  /** Tokens that one repetition takes, or rows of the block of logits. */
  n: number;
  /** Executed by one repetition, 2 per multiply-add of products and of causal attention; 0 for other ops. */
  flops: number;
  /** Operands read and outputs written, once each: what a repetition must at least move. */
  bytes: number;
  /** Largest difference from the double reference on reduced shapes, as NativeOpError. */
  error: number;
}

/** How far results are from those of the double reference; of the worst output, NaN where one is. */
export interface NativeOpError {
  /** Of any element, over the root mean square of its output, or over itself where that is larger. */
  largest: number;
  /** Of the difference, over the norm of the output. */
  norm: number;
}

/** A vocabulary: the bytes of all tokens one after the other, and the number of bytes of each. */
export interface NativeTokens {
  bytes: Uint8Array;
  lengths: Int32Array;
}

/** Byte pair encoding with GPT-2's split pattern. */
export interface NativeBytePairEncoder {
  /** Surrogates without a partner count as U+FFFD. */
  encode(text: string): Int32Array;
}

/** Learns byte pair encoding; native/tokenizer/byte_pair_trainer.h. */
export interface NativeBytePairTrainer {
  /** Counts the words of a text. Texts are separate: no word spans two of them. */
  count(text: string): void;
  /**
   * Learns up to `vocabulary` tokens, fewer when no pair is left that occurs `minCount` times. Other calls than progress
   * and stop throw ERR_BURGEON_BUSY meanwhile.
   * @param vocabulary 256 to 2^30.
   * @param minCount   at least 1.
   */
  learn(vocabulary: number, minCount: number): Promise<NativeTokens & { merges: Int32Array }>;
  /** Tokens learned so far. */
  progress(): number;
  /** Makes learn() return early. */
  stop(): void;
}

export interface NativeBinding {
  version: string;
  bestIsa: string;
  NativeModel: new (config: NativeModelConfig, options: NativeModelOptions) => NativeModel;
  /** What such a model takes with training batches of this shape, of which `part` is active at most; no device is needed, and nothing is allocated. */
  planMemory(
    config: NativeModelConfig,
    options: NativeModelOptions,
    batchSize: number,
    sequenceLength: number,
    part: { layers: number; heads: number; kvHeads: number; neurons: number } | undefined,
  ): NativeMemoryPlan;
  NativeCommunicator: new () => NativeCommunicator;
  measurePeak(
    threads: number,
    maxIsa: string,
  ): Promise<{ flopsPerSecond: number; bf16FlopsPerSecond: number; bytesPerSecond: number; processorShare: number }>;
  /** Opens the CUDA library. @throws ERR_BURGEON_CUDA that says why no device can be used. */
  describeCuda(libraryPath: string, cublasLt: string, nccl: string): NativeCuda;
  /**
   * Sends bytes from a device to itself by NCCL, as the only rank.
   * @returns a promise of how many came back as something else.
   * @throws ERR_BURGEON_CUDA where there is no NCCL, or it does not do that.
   */
  checkNccl(libraryPath: string, device: number, nccl: string, bytes: number): Promise<number>;
  /** Checks one op against the reference and times it. */
  benchOp(options: NativeOpOptions & NativeOpShape): Promise<NativeOpTiming>;
  /** The same for 1 to 16 shapes of one op, which take turns round by round. */
  benchOpInTurn(options: NativeOpOptions, shapes: readonly NativeOpShape[]): Promise<NativeOpTiming[]>;
  /** Runs one op once on this very shape and compares it with the reference. `seed` of the operands: 0 to 2^32. */
  checkOp(options: Omit<NativeOpOptions, 'rounds' | 'cold'> & { seed: number } & NativeOpShape): Promise<NativeOpError>;
  /** Milliseconds of copies of so many bytes (64 to 2^33) within a device's memory. */
  benchCopy(options: NativeBackendOptions & { bytes: number; rounds: number }): Promise<number[]>;
  /** @param merges left, right and resulting token of each merge, in the order learned. */
  NativeBytePairEncoder: new (
    bytes: Uint8Array,
    lengths: Int32Array,
    merges: Int32Array,
  ) => NativeBytePairEncoder;
  NativeBytePairTrainer: new () => NativeBytePairTrainer;
  /** Class of every code point: 0 other, 1 letter, 2 number, 3 white space. */
  unicodeClasses(): Uint8Array;
}
