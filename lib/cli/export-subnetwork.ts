// The part of burgeon export that leaves layers, heads and neurons out: its options, and what comes of them.

import { type Command, Option } from 'commander';
import { smallerModel } from '../checkpoint/huggingface.ts';
import type { ModelContents, OpenModelDirectory } from '../checkpoint/model-directory.ts';
import { subnetworkContents } from '../checkpoint/subnetwork-contents.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { checkKeepRules, type Keep, type KeepKind, type KeepRules, keptCount, unitCount } from '../est/keep.ts';
import { countParameters } from '../est/parameters.ts';
import type { Subnetwork } from '../est/subnetwork.ts';
import { Model } from '../model/model.ts';
import { trainedLength } from '../train/checkpoint-part.ts';
import { chooseSubnetwork } from '../train/choose-subnetwork.ts';
import { openSplit } from './data-argument.ts';
import { count, counted } from './format.ts';
import { integerAtLeast, listOrShare, threadsOption } from './options.ts';
import { ProgressLine } from './progress.ts';

export interface SubnetworkFlags {
  keepLayers?: Keep;
  keepHeads?: Keep;
  keepNeurons?: Keep;
  calibrate?: string;
  calibrationWindows?: number;
  rescale: boolean;
  threads?: number;
}

export function subnetworkOptions(): Option[] {
  const keep = (what: string, description: string) =>
    new Option(`--keep-${what} <list|share>`, description).argParser(listOrShare);
  return [
    keep('layers', 'keep these layers, e.g. 0-3,5, or a share of them, e.g. 0.5'),
    keep('heads', 'keep these heads in every layer (grouped queries: whole groups)'),
    keep('neurons', 'keep these MLP neurons in every layer'),
    new Option(
      '--calibrate <dir|pattern>',
      'data to find the most important ones on (of a data set, the training split)',
    ),
    new Option('--calibration-windows <n>', 'sequences of it to use (default: 32)').argParser(integerAtLeast(1)),
    new Option('--no-rescale', 'do not scale up what is kept'),
    threadsOption(),
  ];
}

export const subnetworkHelp = `
What is kept:
  A share takes the most important ones on the --calibrate data, without it
  evenly spread ones. A layer is as important as the loss is high without it (one
  pass over the sequences per layer). A head or neuron is as important as the
  loss is sensitive to a factor on its output, which estimates, to first order,
  the cost of leaving it out (one forward and backward pass over the sequences).
  Sums over heads and neurons are scaled by (all / kept), which makes it exactly
  the subnetwork as training computes it. Where the most important ones are kept,
  the rest counts for less than that: try --no-rescale, and burgeon eval both.`;

/** What to keep; undefined when nothing is to be left out. */
export function keepRules(flags: SubnetworkFlags, command: Command): KeepRules | undefined {
  const { keepLayers: layers, keepHeads: heads, keepNeurons: neurons, calibrate, calibrationWindows } = flags;
  const given = [layers, heads, neurons].filter((keep) => keep !== undefined);
  if (calibrate !== undefined && !given.some((keep) => 'rate' in keep)) {
    command.error('error: --calibrate: nothing to choose; give --keep-layers, --keep-heads or --keep-neurons a share');
  }
  if (calibrationWindows !== undefined && calibrate === undefined) {
    command.error('error: --calibration-windows takes data to use: --calibrate');
  }
  if (!flags.rescale && heads === undefined && neurons === undefined) {
    command.error('error: --no-rescale: nothing would be scaled; it goes with --keep-heads or --keep-neurons');
  }
  if (given.length === 0) return undefined;
  return { ...(layers && { layers }), ...(heads && { heads }), ...(neurons && { neurons }) };
}

/**
 * The subnetwork that the rules choose, as contents of a model of its own, and what it is in words.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for units that the model lacks, or sizes that transformers cannot represent.
 */
export async function chooseContents(
  source: OpenModelDirectory,
  rules: KeepRules,
  flags: SubnetworkFlags,
): Promise<{ contents: ModelContents; summary: string }> {
  const { model } = source;
  checkKeepRules(model, rules);
  const kept = (kind: KeepKind) => keptCount(rules[kind], unitCount(model, kind));
  const kvHeads = kept('heads');
  const heads = kvHeads * (model.nHead / unitCount(model, 'heads'));
  // Before any time is spent on measuring.
  const smaller = smallerModel(model, { layers: kept('layers'), heads, kvHeads, neurons: kept('neurons') });
  const subnetwork = await choose(source, rules, flags);
  const layers = subnetwork.layers === undefined ? '' : ` (${subnetwork.layers.join(', ')})`;
  const parameters = (config: ModelConfig) => count(countParameters(config).total);
  const summary = `kept ${smaller.nLayer} of ${counted(model.nLayer, 'layer')}${layers}, ${heads} of ${counted(model.nHead, 'head')} and ${smaller.nInner} of ${counted(model.nInner, 'neuron')} per layer: ${parameters(smaller)} of ${parameters(model)} parameters`;
  const factors = flags.rescale ? {} : { headScale: 1, neuronScale: 1 };
  return { contents: subnetworkContents(source, { ...subnetwork, ...factors }), summary };
}

async function choose(source: OpenModelDirectory, rules: KeepRules, flags: SubnetworkFlags): Promise<Subnetwork> {
  if (flags.calibrate === undefined) return chooseSubnetwork(source.model, rules);
  const data = await openSplit(flags.calibrate, {
    ...{ split: 'train', vocabSize: source.model.vocabSize, model: source.directory },
  });
  const progress = new ProgressLine();
  try {
    using model = await Model.fromContents(source, flags.threads === undefined ? {} : { threads: flags.threads });
    const chosen = await chooseSubnetwork(source.model, rules, {
      model,
      source: data.source,
      windows: flags.calibrationWindows ?? 32,
      sequenceLength: await trainedLength(source.directory, source.model),
      onProgress: (done, total) =>
        progress.update(() => `measuring importance: ${done} of ${counted(total, 'sequence')}`),
    });
    progress.finish();
    await data.check.finish();
    return chosen;
  } finally {
    progress.clear();
    await data.close();
  }
}
