// How often each unit is trained: shares of the sequences, of one step and of the run so far. What is drawn is a pure
// function of the seed, so this could be replayed; counting as it happens is cheaper than replaying a long run.

import { blockOf } from '../config/architecture.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { expandBlocks } from '../est/sampler.ts';
import { resolveSubnetwork, type Subnetwork } from '../est/subnetwork.ts';

/** Shares in [0, 1], or sums of them. */
export interface UnitShares {
  /** Of each layer, (L). */
  layers: number[];
  /** Of each query head of each layer, (L, NH). */
  heads: number[][];
  /** Mean over the neurons of each layer, (L). */
  neurons: number[];
}

/** Sums over `steps` steps; part of a checkpoint. */
export interface UnitSums extends UnitShares {
  steps: number;
}

export class UnitUsage {
  readonly #model: ModelConfig;
  readonly #sums: UnitSums;
  #step: UnitShares;

  /** @param sums of the steps so far; it is added to. */
  constructor(model: ModelConfig, sums: UnitSums) {
    this.#model = model;
    this.#sums = sums;
    this.#step = noShares(model);
  }

  /** What the sequences of the newest step trained. */
  get step(): UnitShares {
    return rounded(this.#step, 1);
  }

  /** The mean over all steps. */
  get run(): UnitShares {
    return rounded(this.#sums, this.#sums.steps);
  }

  /** Begins a step. */
  begin(): void {
    this.#step = noShares(this.#model);
  }

  /** A group with this share of the step's sequences trained this subnetwork; the full model without one. */
  add(subnetwork: Subnetwork | undefined, weight: number): void {
    const { nInner, nHead } = this.#model;
    const active = resolveSubnetwork({ ...this.#model, nKvHead: kvHeads(this.#model) }, subnetwork);
    for (const [i, { layer, neuronCount }] of active.entries()) {
      this.#step.layers[layer]! += weight;
      this.#step.neurons[layer]! += weight * (neuronCount / nInner);
      const row = this.#step.heads[layer]!;
      // A key and value head comes with all query heads that share it.
      const shared = nHead / kvHeads(this.#model);
      const heads = subnetwork?.heads?.[i];
      const queryHeads = subnetwork?.queryHeads?.[i] ?? (heads && expandBlocks(heads, shared));
      if (queryHeads) for (const head of queryHeads) row[head]! += weight;
      else for (let head = 0; head < nHead; head++) row[head]! += weight;
    }
  }

  /** Ends a step: it counts. */
  end(): void {
    const [sums, step] = [this.#sums, this.#step];
    sums.steps++;
    for (let layer = 0; layer < sums.layers.length; layer++) {
      sums.layers[layer]! += step.layers[layer]!;
      sums.neurons[layer]! += step.neurons[layer]!;
      for (let head = 0; head < sums.heads[layer]!.length; head++) {
        sums.heads[layer]![head]! += step.heads[layer]![head]!;
      }
    }
  }
}

export function newUnitSums(model: ModelConfig): UnitSums {
  return { steps: 0, ...noShares(model) };
}

function noShares({ nLayer, nHead }: ModelConfig): UnitShares {
  return {
    layers: new Array(nLayer).fill(0),
    heads: Array.from({ length: nLayer }, () => new Array(nHead).fill(0)),
    neurons: new Array(nLayer).fill(0),
  };
}

function kvHeads(model: ModelConfig): number {
  return blockOf(model).nKvHead;
}

/** Sums over `steps`, to four digits: enough to look at. */
function rounded(sums: UnitShares, steps: number): UnitShares {
  const share = (sum: number) => Math.round((1e4 * sum) / Math.max(1, steps)) / 1e4;
  return {
    layers: sums.layers.map(share),
    heads: sums.heads.map((row) => row.map(share)),
    neurons: sums.neurons.map(share),
  };
}
