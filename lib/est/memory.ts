// How much memory training a model takes, in bytes: an estimate for `plan`, from the list of tensors that forward keeps
// for backward (native/model/activations.cc, whose plan is what is allocated; a test compares the two). Leaves out
// alignment and the scratch of threads.

import { architectureOf } from '../config/architecture.ts';
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

  const { nKvHead, headSize, gatedMlp, rmsNorm } = architectureOf(model);
  const queryWidth = nHead * headSize;
  const qkvWidth = queryWidth + 2 * nKvHead * headSize;
  // A row's statistics: mean and reciprocal deviation, or with RMSNorm the reciprocal root mean square alone.
  const statistics = rmsNorm ? 1 : 2;
  // Per token and layer: residual in, both norms' outputs, residual between; q k v, attention out; MLP pre-activations
  // and activation; statistics of both norms; log-sum-exp of every head.
  const perLayer = 4 * nEmbd + qkvWidth + queryWidth + (gatedMlp ? 3 : 2) * nInner + 2 * statistics + nHead;
  // Outside the layers: the embedded input, the final norm's output and its statistics; token, target, loss.
  const outside = 2 * nEmbd + statistics + 3;
  // Gradients of the residual stream, of a norm's output, of the attention output, and the wider of d qkv and those of
  // the pre-activations.
  const backward = 2 * nEmbd + queryWidth + Math.max(qkvWidth, (gatedMlp ? 2 : 1) * nInner);
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
