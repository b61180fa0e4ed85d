// The one rule by which burgeon counts FLOPs, in ledger, MFU, plan and bench: a multiply-add is 2 FLOPs; matrix products
// and attention only; causal attention counts the lower triangle; backward is twice forward; recomputation is not
// counted. Others count the full square, or 6 N + 12 L C T per token: say so when comparing. Pure arithmetic.

import { type BlockShape, blockOf, requireBlocks } from '../config/architecture.ts';
import { requireInteger, requireObject, wrong } from '../config/require.ts';
import type { ActiveCounts } from './sampler.ts';
import { resolveSubnetwork, type Subnetwork, validateSubnetwork } from './subnetwork.ts';

/** FLOPs by matrix product. */
export interface FlopComponents {
  /** Query, key and value projections of the active heads; with grouped queries there are fewer keys and values. */
  qkv: number;
  /** Q K^T and P V over the lower triangle with its diagonal: T (T + 1) / 2 pairs per sequence and head. */
  scores: number;
  /** Attention output projection. */
  outProjection: number;
  /** The MLP's matrices: two, three with a gate. */
  mlp: number;
  /** The language-model head; it does not shrink with the subnetwork. */
  head: number;
}

/** FLOPs of a pass over B sequences, forward and backward apart. */
export interface FlopCount {
  forward: FlopComponents;
  /** Twice forward; zeros where no backward pass was asked for. */
  backward: FlopComponents;
}

export interface FlopShape {
  /** Sequences, B. */
  batchSize: number;
  /** Tokens per sequence, T. */
  sequenceLength: number;
  /** Whether to count the backward pass. Default true. */
  backward?: boolean | undefined;
}

type FlopModel = BlockShape & { vocabSize: number };

/**
 * Counts a pass on a subnetwork; omit `subnetwork` for the full model.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for wrong arguments; ERR_BURGEON_SHAPE for lists that are not of this model.
 */
export function countFlops(model: FlopModel, shape: FlopShape & { subnetwork?: Subnetwork | undefined }): FlopCount {
  requireModel(model);
  requireShape(shape);
  if (shape.subnetwork !== undefined)
    validateSubnetwork({ ...model, nKvHead: blockOf(model).nKvHead }, shape.subnetwork);
  const active = resolveSubnetwork(model, shape.subnetwork);
  const totals = { heads: 0, kvHeads: 0, neurons: 0 };
  for (const { headCount, kvHeadCount, neuronCount } of active) {
    totals.heads += headCount;
    totals.kvHeads += kvHeadCount;
    totals.neurons += neuronCount;
  }
  return countFromTotals(model, shape, totals);
}

/** Counts a pass with `layers` active layers of `heads` heads and `neurons` neurons each. */
export function countFlopsFromCounts(model: FlopModel, shape: FlopShape & ActiveCounts): FlopCount {
  requireModel(model);
  requireShape(shape);
  const { layers, heads, kvHeads = heads, neurons } = shape;
  for (const [name, value] of Object.entries({ layers, heads, kvHeads, neurons })) {
    if (!Number.isFinite(value) || value < 0) throw wrong(name, 'a number of at least 0', value);
  }
  return countFromTotals(model, shape, { heads: layers * heads, kvHeads: layers * kvHeads, neurons: layers * neurons });
}

/** @throws {BurgeonError} ERR_BURGEON_CONFIG for what has not the sizes of a model. */
export function requireModel(model: FlopModel): void {
  requireBlocks(model);
  requireInteger('model.nEmbd', model.nEmbd, 1);
  requireInteger('model.vocabSize', model.vocabSize, 1);
}

function requireShape(shape: FlopShape): void {
  requireObject('shape', shape);
  requireInteger('batchSize', shape.batchSize, 1);
  requireInteger('sequenceLength', shape.sequenceLength, 1);
}

/** Every cost is linear in the active heads or neurons, so their sums over all active layers are enough. */
function countFromTotals(
  model: FlopModel,
  shape: FlopShape,
  totals: { heads: number; kvHeads: number; neurons: number },
): FlopCount {
  const { batchSize, sequenceLength } = shape;
  const { nEmbd, vocabSize } = model;
  const { headSize, mlpMatrices } = blockOf(model);
  const tokens = batchSize * sequenceLength;
  const width = totals.heads * headSize;
  const pairs = batchSize * ((sequenceLength * (sequenceLength + 1)) / 2);
  const forward: FlopComponents = {
    qkv: 2 * tokens * nEmbd * (width + 2 * totals.kvHeads * headSize),
    scores: 2 * (2 * pairs * width),
    outProjection: 2 * tokens * width * nEmbd,
    mlp: mlpMatrices * (2 * tokens * nEmbd * totals.neurons),
    head: 2 * tokens * nEmbd * vocabSize,
  };
  return { forward, backward: scaleComponents(forward, (shape.backward ?? true) ? 2 : 0) };
}

/** Block FLOPs: attention and MLP of the layers, what the EST paper counts. Of a whole pass, or of one direction. */
export function blockFlops(count: FlopCount | FlopComponents): number {
  requireObject('FLOPs', count);
  if ('forward' in count) return blockFlops(count.forward) + blockFlops(count.backward);
  return count.qkv + count.scores + count.outProjection + count.mlp;
}

/** All FLOPs: block FLOPs and the language-model head. Of a whole pass, or of one direction. */
export function allFlops(count: FlopCount | FlopComponents): number {
  requireObject('FLOPs', count);
  if ('forward' in count) return allFlops(count.forward) + allFlops(count.backward);
  return blockFlops(count) + count.head;
}

/** FLOPs of a run, and of the same steps dense. */
export interface RunFlops {
  blockFlops: number;
  allFlops: number;
  denseBlockFlops: number;
  denseAllFlops: number;
  /** Shares of the dense FLOPs that are left out, in [0, 1); 0 without any step. */
  blockSaving: number;
  allSaving: number;
}

export function runFlops(counts: Omit<RunFlops, 'blockSaving' | 'allSaving'>): RunFlops {
  requireObject('counts', counts);
  const { blockFlops, allFlops, denseBlockFlops, denseAllFlops } = counts;
  for (const [name, value] of Object.entries({ blockFlops, allFlops, denseBlockFlops, denseAllFlops })) {
    if (typeof value !== 'number') throw wrong(`counts.${name}`, 'a number', value);
  }
  const saving = (executed: number, dense: number) => (dense > 0 ? 1 - executed / dense : 0);
  return {
    blockFlops,
    allFlops,
    denseBlockFlops,
    denseAllFlops,
    blockSaving: saving(blockFlops, denseBlockFlops),
    allSaving: saving(allFlops, denseAllFlops),
  };
}

function scaleComponents(components: FlopComponents, factor: number): FlopComponents {
  return {
    qkv: components.qkv * factor,
    scores: components.scores * factor,
    outProjection: components.outProjection * factor,
    mlp: components.mlp * factor,
    head: components.head * factor,
  };
}
