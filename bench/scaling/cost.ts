// What a step of several ranks takes: computing, the sum of gradients, the update. A model of the
// machine, nothing measured here. Pure.

/** Links between ranks, and what one rank is. Seconds and bytes per second. */
export interface Cluster {
  ranks: number;
  /** Each way at the same time. */
  linkBytes: number;
  /** Of a message. */
  latency: number;
  /** Of the update, which reads weights, gradients and both moments and writes all but the gradients. */
  memoryBytes: number;
  /** Between a device and the memory of its host, each way; undefined: gradients are there already. */
  hostBytes?: number;
}

/** A step of all ranks together. */
export interface StepWork {
  /** Seconds in which one rank alone would compute all gradients. */
  computing: number;
  /** Micro-batches of each rank. */
  microBatches: number;
  /** Of the gradients that are exchanged. */
  bytes: number;
  /** Parameters that are updated. */
  updated: number;
}

/** Seconds of a step. */
export interface StepTime {
  computing: number;
  exchange: number;
  update: number;
  /** How much of what R ranks could do in that time they do: without overlap, as burgeon's ranks work now; and with perfect overlap. */
  efficiency: number;
  overlapped: number;
  /** Without overlap, where each rank updates its part (`optimizer.shard`) and gives the others their weights: the same bytes. */
  divided: number;
  /** Where gradients go through the memory of the host, at best: the copies there and back come to the exchange. */
  throughHost: number | undefined;
}

/** Beside the gradients: what was touched, losses, norms. */
const littleSums = 3;
/** Of a float32: four arrays are read, three written. */
const updateBytes = 4 * 7;
/** Backward takes about two thirds of a micro-batch; forward of the last has to be over before any of its gradients. */
const backward = 2 / 3;

/** That a rank sends before it receives sums of them: `at_a_time` of native/model/row_exchange.h. */
const pieceBytes = 4 * 2 ** 24;

/**
 * Seconds to sum so many bytes over all ranks: for each piece, all send to all what these own, and then the sums of it. Each rank has one
 * part of the sum.
 */
export function sumTime(bytes: number, { ranks, linkBytes, latency }: Cluster): number {
  if (ranks === 1) return 0;
  return 2 * Math.ceil(bytes / pieceBytes) * latency + (2 * (ranks - 1) * bytes) / ranks / linkBytes;
}

/** Of a few bytes: to rank 0 and back, each passing it on. */
export const littleTime = ({ ranks, latency }: Cluster) => 2 * Math.ceil(Math.log2(ranks)) * latency;

export function stepTime(work: StepWork, cluster: Cluster): StepTime {
  const { ranks, memoryBytes, hostBytes } = cluster;
  const computing = work.computing / ranks;
  const exchange = sumTime(work.bytes, cluster) + littleSums * littleTime(cluster);
  const update = (updateBytes * work.updated) / memoryBytes;
  // The gradients of the last micro-batch are final layer by layer, while it goes backward.
  const hidden = Math.min(exchange, (backward * computing) / work.microBatches);
  const alone = work.computing + update;
  const efficiencyOf = (seconds: number, updating = update) => alone / (ranks * (computing + seconds + updating));
  const copies = hostBytes && (2 * work.bytes) / hostBytes;
  return {
    ...{ computing, exchange, update },
    efficiency: efficiencyOf(exchange),
    overlapped: efficiencyOf(exchange - hidden),
    divided: efficiencyOf(exchange, update / ranks),
    throughHost: copies && efficiencyOf(exchange + copies),
  };
}
