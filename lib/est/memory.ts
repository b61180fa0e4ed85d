// How much memory training a model takes, in bytes: an estimate for `plan`, from the list of tensors that forward keeps
// for backward (native/model/activations.cc, whose plan is what is allocated; a test compares the two). Leaves out
// alignment and the scratch of threads.

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
  /** Gradients in flight between two layers, and packed operands. */
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

/** The head is computed in equal blocks of rows that fit in this, so that it never holds all logits; at least so many rows. */
const logitBlockBytes = 128 * 2 ** 20;
const minLogitRows = 64;

/** Packed blocks of a matrix product, two of each operand: 1536 and 768 times 384 floats (native/backend/cpu/product.h). */
const packingBytes = 2 * (1536 + 768) * 384 * floatBytes;

/** Estimates the memory of training the full model (every stage of a schedule fits in it). */
export function estimateMemory(model: ModelConfig, shape: MemoryShape): MemoryEstimate {
  const { nLayer, nHead, nEmbd, nInner, vocabSize } = model;
  const sequences = Math.ceil(shape.batchSize / Math.max(1, shape.groups ?? 1));
  const tokens = sequences * shape.sequenceLength;
  const weights = countParameters(model).total * floatBytes;

  // Per token and layer: residual in, ln1 out, q k v, attention out, residual between, ln2 out (C each, 3 C for q k v);
  // MLP pre-activation and activation; mean and reciprocal deviation of both norms; log-sum-exp of every head.
  const perLayer = 8 * nEmbd + 2 * nInner + 4 + nHead;
  // Outside the layers: the embedded input, the final norm's output, its mean and reciprocal deviation; token, target, loss.
  const outside = 2 * nEmbd + 5;
  // Gradients of the residual stream, of a norm's output, of the attention output, and the wider of d qkv and d activation.
  const backward = 3 * nEmbd + Math.max(3 * nEmbd, nInner);
  const mostRows = Math.max(minLogitRows, Math.floor(logitBlockBytes / (vocabSize * floatBytes)));
  const logitRows = Math.ceil(tokens / Math.ceil(tokens / mostRows));

  const parts = {
    weights,
    gradients: weights,
    moments: 2 * weights,
    activations: tokens * (nLayer * perLayer + outside) * floatBytes,
    backwardBuffers: tokens * backward * floatBytes + packingBytes,
    logits: logitRows * vocabSize * floatBytes,
  };
  return { ...parts, total: Object.values(parts).reduce((sum, bytes) => sum + bytes, 0) };
}
