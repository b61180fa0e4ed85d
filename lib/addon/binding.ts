// The native addon's exact type. Counterpart of native/addon/; only lib/addon/load.ts and lib/model/ use it.

import type { ModelConfig } from '../config/model-config.ts';

/** FLOPs of one pass by component: matrix products and the causal triangle of attention, 2 per multiply-add. */
export interface NativeFlops {
  qkv: number;
  scores: number;
  outProjection: number;
  mlp: number;
  head: number;
}

export type NativeModelConfig = Omit<ModelConfig, 'architecture'>;

export interface NativeModelOptions {
  backend: string;
  /** Highest instruction set to use: 'avx512bf16', 'avx512', 'avx2', 'baseline', or '' for the best there is. */
  maxIsa: string;
  precision: 'float32' | 'bf16' | 'float64';
  threads: number;
}

/** As lib/est/subnetwork.ts; null is the full model. */
export interface NativeSubnetwork {
  layers?: Int32Array;
  heads?: (Int32Array | undefined)[];
  neurons?: (Int32Array | undefined)[];
}

export interface NativeStepResult {
  /** Mean nats per target that is not -1; 0 without targets. */
  loss: number;
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
  weightDecay: number;
  /** Largest global gradient norm; 0 turns clipping off. */
  gradientClip: number;
  /** 1-based number of the update, for the bias correction. */
  step: number;
  freeze: boolean;
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
}

export interface NativeModelInfo {
  backend: string;
  isa: string;
  /** Why this backend and instruction set, in one line. */
  reason: string;
  threads: number;
  precision: 'float32' | 'bf16' | 'float64';
  /** Weights, gradients and both moments. */
  parameterBytes: number;
  activationBytes: number;
}

/** One call at a time; a second one throws ERR_BURGEON_BUSY. Arrays are copied before a call returns. */
export interface NativeModel {
  /** @param logits 0 none, 1 of the last position (B, V), 2 of all (B, T, V). */
  forward(
    tokens: Int32Array,
    targets: Int32Array | null,
    batchSize: number,
    sequenceLength: number,
    subnetwork: NativeSubnetwork | null,
    layerScale: number,
    logits: 0 | 1 | 2,
  ): Promise<NativeStepResult>;
  forwardBackward(
    tokens: Int32Array,
    targets: Int32Array,
    batchSize: number,
    sequenceLength: number,
    subnetwork: NativeSubnetwork | null,
    layerScale: number,
    weight: number,
  ): Promise<NativeStepResult>;
  optimizerStep(step: NativeOptimizerStep): Promise<{ gradientNorm: number; ms: number }>;
  clearGradients(): void;
  read(role: number, tensor: number): Float32Array | Float64Array;
  write(role: number, tensor: number, data: Float32Array | Float64Array): void;
  tensors(): NativeTensor[];
  /** Bytes of activations a batch of this shape would take. */
  planBytes(batchSize: number, sequenceLength: number, gradients: boolean): number;
  info(): NativeModelInfo;
  dispose(): void;
}

export interface NativeBinding {
  version: string;
  bestIsa: string;
  NativeModel: new (config: NativeModelConfig, options: NativeModelOptions) => NativeModel;
  measurePeak(
    threads: number,
    maxIsa: string,
  ): Promise<{ flopsPerSecond: number; bf16FlopsPerSecond: number; bytesPerSecond: number }>;
}
