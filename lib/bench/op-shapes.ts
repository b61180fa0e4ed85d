// The ops of a training step and their shapes in two models, at a rate of active heads or neurons. Pure.

import type { NativeOp, NativeOpShape } from '../addon/binding.ts';
import { nearestHint } from '../config/nearest.ts';
import { BurgeonError } from '../errors.ts';
import { activeCount } from '../est/sampler.ts';

/** What the shapes follow from. */
export interface OpModel {
  /** Embedding width, C. */
  width: number;
  /** MLP neurons, F. */
  neurons: number;
  heads: number;
  /** Heads of keys and values, where there are fewer. */
  kvHeads?: number;
  /** Whether it is of Llama's kind: rotary positions and a gate in the MLP. */
  isGated?: true;
  /** Tokens per sequence, T. */
  sequenceLength: number;
  /** Tokens of a batch, N. */
  tokens: number;
  /** V. */
  vocabSize: number;
}

export const opModels = {
  small: { width: 384, neurons: 1536, heads: 6, sequenceLength: 256, tokens: 2048, vocabSize: 65 },
  gpt2: { width: 768, neurons: 3072, heads: 12, sequenceLength: 256, tokens: 1024, vocabSize: 50304 },
  // What a GPU trains.
  'gpt2-16x1024': { width: 768, neurons: 3072, heads: 12, sequenceLength: 1024, tokens: 16384, vocabSize: 50304 },
  'gpt2-64x1024': { width: 768, neurons: 3072, heads: 12, sequenceLength: 1024, tokens: 65536, vocabSize: 50304 },
  'tinyllama-8x2048': {
    width: 2048,
    neurons: 5632,
    heads: 32,
    kvHeads: 4,
    isGated: true,
    sequenceLength: 2048,
    tokens: 16384,
    vocabSize: 32000,
  },
  // For kernels that run on the host.
  tiny: { width: 64, neurons: 128, heads: 4, sequenceLength: 8, tokens: 16, vocabSize: 80 },
} as const satisfies Record<string, OpModel>;

export type OpModelName = keyof typeof opModels;

export const defaultOpModel = (onDevice: boolean): OpModelName => (onDevice ? 'gpt2-16x1024' : 'small');

/** Of active heads and neurons. Ops without either are measured at 1 only. */
export const opRates = [1, 0.75, 0.5, 0.25] as const;

export interface OpCase {
  op: NativeOp;
  /** What the op stands for, for people. */
  what: string;
  /** One per rate. */
  variants: { rate: number; shape: NativeOpShape }[];
}

/**
 * All ops of a model, in the order of a step.
 * @param isCompact whether products take gathered weights, as on CUDA devices.
 */
export function opCases(model: OpModel, isCompact = false): OpCase[] {
  const { width, neurons, heads, kvHeads = heads, isGated = false, sequenceLength, tokens, vocabSize } = model;
  const headSize = width / heads;
  const always = (op: NativeOp, what: string, shape: NativeOpShape): OpCase => ({
    op,
    what,
    variants: [{ rate: 1, shape }],
  });
  const atRates = (op: NativeOp, what: string, shape: (rate: number) => NativeOpShape): OpCase => ({
    op,
    what,
    variants: opRates.map((rate) => ({ rate, shape: shape(rate) })),
  });
  const ofNeurons = (op: NativeOp, what: string) =>
    atRates(op, what, (rate) => ({
      n: tokens,
      rows: neurons,
      activeRows: activeCount(rate, neurons),
      cols: width,
    }));
  // Groups of heads that share keys and values are active together.
  const activeKvHeads = (rate: number) => activeCount(rate, kvHeads);
  const sharedBy = heads / kvHeads;
  const attention = (op: NativeOp, what: string) =>
    atRates(op, what, (rate) => ({
      n: tokens,
      sequence: sequenceLength,
      heads: activeKvHeads(rate) * sharedBy,
      kvHeads: activeKvHeads(rate),
      headSize,
    }));
  const ofWeights = (op: NativeOp, what: string) =>
    atRates(op, what, (rate) => ({ rows: neurons, activeRows: activeCount(rate, neurons), cols: width }));
  const qkvRows = (active: number) => (sharedBy + 2) * active * headSize;
  // Of which the ops take one block, as a step does.
  const head = { n: tokens, rows: vocabSize, cols: width };
  const embedding = { n: tokens, sequence: sequenceLength, rows: vocabSize, cols: width };
  return [
    ...(isCompact ? [ofWeights('gather', 'gathering and casting an MLP matrix')] : []),
    always('embedding_forward', 'token and position embedding', embedding),
    always('norm_forward', 'LayerNorm', { n: tokens, cols: width }),
    atRates('expand', 'QKV projection', (rate) => ({
      n: tokens,
      rows: qkvRows(kvHeads),
      activeRows: qkvRows(activeKvHeads(rate)),
      blockRows: headSize,
      cols: width,
    })),
    ...(isGated ? [attention('rotary', 'rotation of queries and keys')] : []),
    attention('attention_forward', 'causal attention'),
    isGated
      ? ofNeurons('swiglu_forward', 'gate and up-projection with SiLU')
      : ofNeurons('mlp_forward', 'up-projection with GELU'),
    ofNeurons('contract', 'down-projection'),
    always('head_forward', 'a block of logits', head),
    always('cross_entropy', 'loss and gradient of a block of logits', { n: tokens, cols: vocabSize }),
    always('head_loss', 'logits and loss of a block, as a step has them: both of the above, or one', head),
    always('head_input_gradient', 'input gradient of the output head, of a block of logits', head),
    always('head_weight_gradient', 'weight gradient of the output head, of a block of logits', head),
    isGated
      ? ofNeurons('swiglu_backward', 'input gradient of the down-projection with the slopes of the gate')
      : ofNeurons('mlp_backward', 'input gradient of the down-projection with the slope of GELU'),
    ofNeurons('input_gradient', 'input gradient of an up-projection'),
    ofNeurons('weight_gradient', 'weight gradient of an up-projection, and of its bias'),
    attention('attention_backward', 'causal attention, backward'),
    always('norm_backward', 'LayerNorm, backward', { n: tokens, cols: width }),
    always('embedding_backward', 'token and position embedding, backward', embedding),
    ...(isCompact ? [ofWeights('scatter_add', 'adding the gradient of an MLP matrix to its master')] : []),
    ofWeights('sum_of_squares', 'gradient norm of an MLP matrix'),
    ofWeights('adamw', 'update of an MLP matrix'),
    ...(isCompact ? [] : [ofWeights('muon', 'the same by Muon')]),
  ];
}

/**
 * The cases whose op is `name` or begins with it: "norm" is forward and backward.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG listing the names there are.
 */
export function selectCases(cases: readonly OpCase[], name: string | undefined): OpCase[] {
  if (name === undefined) return [...cases];
  const found = cases.filter(({ op }) => op === name || op.startsWith(`${name}_`));
  if (found.length > 0) return found;
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `op: expected one of ${cases.map(({ op }) => op).join(', ')}, or the word that several begin with, received "${name}"${nearestHint(name, new Set(cases.map(({ op }) => op)))}`,
  );
}
