// FLOPs of Muon's products, which docs/method.md tells apart from those of forward and backward: they do not grow with the
// tokens of a step. Counterpart of native/ops/muon/muon.h. Pure.

import { type BlockShape, blockOf, requireBlocks } from '../config/architecture.ts';
import { resolveSubnetwork, type Subnetwork, validateSubnetwork } from './subnetwork.ts';

/** Iterations of an update. */
const iterations = 5;
/** Rows of a symmetric product that are computed together, each up to the last of them. */
const symmetricBlock = 128;

/**
 * FLOPs of one update by Muon in which these units take part; omit `subnetwork` for the full model. Each of queries, keys, values,
 * attention output, and the matrices of the MLP is as large as its active part.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for what has not the sizes of a model; ERR_BURGEON_SHAPE for lists that are not of it.
 */
export function countNewtonSchulzFlops(model: BlockShape, subnetwork?: Subnetwork): number {
  requireBlocks(model);
  const { headSize, nKvHead, mlpMatrices } = blockOf(model);
  if (subnetwork !== undefined) validateSubnetwork({ ...model, nKvHead }, subnetwork);
  let flops = 0;
  for (const { headCount, kvHeadCount, neuronCount } of resolveSubnetwork(model, subnetwork)) {
    const [queries, keys] = [headCount * headSize, kvHeadCount * headSize];
    const mlp = Array<number>(mlpMatrices).fill(neuronCount);
    for (const rows of [queries, keys, keys, queries, ...mlp]) flops += flopsOf(rows, model.nEmbd);
  }
  return flops;
}

/** Of a matrix: x x^T, the square of that, and the square times x. */
function flopsOf(rows: number, cols: number): number {
  const [short, long] = [Math.min(rows, cols), Math.max(rows, cols)];
  let half = 0;
  for (let first = 0; first < short; first += symmetricBlock) {
    const end = Math.min(short, first + symmetricBlock);
    half += (end - first) * end;
  }
  return 2 * iterations * (half * long + half * short + short * short * long);
}
