// Chooses the subnetwork that a smaller model is made of.

import type { ModelConfig } from '../config/model-config.ts';
import { type FixedBatch, fixedWindows } from '../data/fixed-windows.ts';
import type { TokenSource } from '../data/token-source.ts';
import { chooseUnits, type Keep, type KeepRules, keptCount, unitCount } from '../est/keep.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import type { Model } from '../model/model.ts';
import { layerImportance, unitImportance } from './importance.ts';

/** Data on which importance is measured. */
export interface Calibration {
  model: Model;
  source: TokenSource;
  /** Sequences, evenly spaced. */
  windows: number;
  /** Tokens of each. Default: the model's context length. */
  sequenceLength?: number | undefined;
  /** Called with the number of sequences computed, and how many there will be. */
  onProgress?: (done: number, total: number) => void;
}

/** Sequences at once where only the loss is wanted. */
const batchSize = 8;

/**
 * The subnetwork that rules ask for: layers first, then heads and neurons, measured in the network of those layers.
 * @param calibration where shares are taken by importance; without it units are spread evenly.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the data have no window; ERR_BURGEON_NONFINITE for a loss that is not finite.
 */
export async function chooseSubnetwork(
  config: ModelConfig,
  rules: KeepRules,
  calibration?: Calibration,
): Promise<Subnetwork> {
  const wants = (kind: keyof KeepRules) => calibration !== undefined && isChoice(rules[kind], unitCount(config, kind));
  const wantsLayers = wants('layers');
  const wantsUnits = wants('heads') || wants('neurons');
  const batches = calibration && countedBatches(calibration, (wantsLayers ? config.nLayer : 0) + (wantsUnits ? 1 : 0));

  const layerScores = wantsLayers ? await layerImportance(calibration!.model, batches!(batchSize)) : undefined;
  const layers = chooseUnits(rules.layers, config.nLayer, layerScores);
  const unitScores = wantsUnits ? await unitImportance(calibration!.model, batches!(1), layers) : undefined;

  const count = layers?.length ?? config.nLayer;
  const perLayer = (kind: 'heads' | 'neurons') => {
    const n = unitCount(config, kind);
    const lists = Array.from({ length: count }, (_, i) => chooseUnits(rules[kind], n, unitScores?.[i]?.[kind]));
    return lists[0] === undefined ? undefined : lists;
  };
  const heads = perLayer('heads');
  const neurons = perLayer('neurons');
  return { ...(layers && { layers }), ...(heads && { heads }), ...(neurons && { neurons }) };
}

/** Whether there is something to choose. */
function isChoice(keep: Keep | undefined, n: number): boolean {
  return keep !== undefined && 'rate' in keep && keptCount(keep, n) < n;
}

/** The windows in batches of at most `rows`; counts those used of `passes` passes over them. */
function countedBatches({ model, source, windows, onProgress, ...rest }: Calibration, passes: number) {
  const { sequenceLength = model.config.contextLength } = rest;
  const total = passes * Math.min(windows, source.windowCount(sequenceLength));
  let done = 0;
  return (rows: number): AsyncIterable<FixedBatch> => {
    const batches = fixedWindows(source, sequenceLength, windows, rows);
    return {
      async *[Symbol.asyncIterator]() {
        for await (const batch of batches) {
          yield batch;
          done += batch.batchSize;
          onProgress?.(done, total);
        }
      },
    };
  };
}
