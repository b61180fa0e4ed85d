// How much memory training a model takes, in bytes: an estimate for `plan`, from the list of tensors that forward keeps
// for backward. The native model's own plan is what is allocated; this leaves out alignment, token staging and threads'
// scratch.

import type { ModelConfig } from '../config/model-config.ts';
import { countParameters } from './parameters.ts';

/** Bytes by purpose; everything is fp32. */
export interface MemoryEstimate {
  weights: number;
  gradients: number;
  /** AdamW's two moments. */
  moments: number;
  /** What forward saves for backward, for the largest group. */
  activations: number;
  /** Gradients in flight between two layers. */
  backwardBuffers: number;
  /** The block of logits that is in memory at a time. */
  logits: number;
  total: number;
}

export interface MemoryShape {
  /** Sequences per micro-batch, B. */
  batchSize: number;
  /** Tokens per sequence, T. */
  sequenceLength: number;
  /** Groups a micro-batch is cut into, each run on its own. Default 1. */
  groups?: number;
}

const floatBytes = 4;

/** Rows of logits held at once; the head is computed in blocks of rows so that it never holds T x V. */
const logitRows = 256;

/** Estimates the memory of training the full model (every stage of a schedule fits in it). */
export function estimateMemory(model: ModelConfig, shape: MemoryShape): MemoryEstimate {
  const { nLayer, nHead, nEmbd, nInner, vocabSize } = model;
  const sequences = Math.ceil(shape.batchSize / Math.max(1, shape.groups ?? 1));
  const tokens = sequences * shape.sequenceLength;
  const weights = countParameters(model).total * floatBytes;

  // Per token and layer: residual in, ln1 out, q k v, attention out, residual between, ln2 out (C each, 3 C for q k v);
  // MLP pre-activation and activation; mean and reciprocal deviation of both norms; log-sum-exp of every head.
  const perLayer = 8 * nEmbd + 2 * nInner + 4 + nHead;
  // Outside the layers: last residual, its norm's output, mean and reciprocal deviation.
  const outside = 2 * nEmbd + 2;
  // d residual and d branch, and the wider of (d qkv with d attention) and d activation.
  const backward = 2 * nEmbd + Math.max(4 * nEmbd, nInner);

  const parts = {
    weights,
    gradients: weights,
    moments: 2 * weights,
    activations: tokens * (nLayer * perLayer + outside) * floatBytes,
    backwardBuffers: tokens * backward * floatBytes,
    logits: Math.min(tokens, logitRows) * vocabSize * floatBytes,
  };
  return { ...parts, total: Object.values(parts).reduce((sum, bytes) => sum + bytes, 0) };
}
