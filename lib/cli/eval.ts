// burgeon eval: loss of a model on token shards.

import { stat } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { findModel } from '../checkpoint/find-model.ts';
import { loadDataset } from '../data/dataset.ts';
import { fixedWindows } from '../data/fixed-windows.ts';
import { readManifest } from '../data/manifest.ts';
import { BurgeonError } from '../errors.ts';
import { Model } from '../model/model.ts';
import { evaluate } from '../train/evaluator.ts';
import { count, duration, facts } from './format.ts';
import { modelArgumentHelp } from './model-argument.ts';
import { countOrAll, integerAtLeast, threadsOption } from './options.ts';
import { ProgressLine } from './progress.ts';

interface EvalFlags {
  data: string;
  split: 'train' | 'validation';
  windows: number | 'all';
  sequenceLength?: number;
  batchSize: number;
  threads?: number;
  json?: boolean;
}

export function evalCommand(): Command {
  return new Command('eval')
    .summary('loss, perplexity and bits per byte of a model')
    .description('Computes the loss of a model on a prepared data set, or on token shards.')
    .argument('<model>', modelArgumentHelp)
    .requiredOption('--data <dir|pattern>', 'directory of `burgeon prepare`, or token shards')
    .addOption(
      new Option('--split <name>', 'split of a prepared data set')
        .choices(['train', 'validation'])
        .default('validation'),
    )
    .option('--windows <n|all>', 'sequences to use, evenly spaced', countOrAll, 'all')
    .option('--sequence-length <n>', "tokens per sequence (default: the model's context length)", integerAtLeast(1))
    .option('--batch-size <n>', 'sequences at once', integerAtLeast(1), 8)
    .addOption(threadsOption())
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  burgeon eval runs/shakespeare-char --data data/shakespeare')
    .action(async (given: string, flags: EvalFlags) => {
      using model = await Model.load(
        await findModel(given),
        flags.threads === undefined ? {} : { threads: flags.threads },
      );
      const { dataset, source, bytesPerToken } = await openSplit(flags, model.config.vocabSize);
      try {
        const progress = new ProgressLine();
        const T = flags.sequenceLength ?? model.config.contextLength;
        const { loss, tokens, ms } = await evaluate(model, fixedWindows(source, T, flags.windows, flags.batchSize), {
          onBatch: (done) => progress.update(() => `${count(done)} tokens`),
        });
        progress.clear();
        const bitsPerByte = bytesPerToken === undefined ? null : loss / Math.LN2 / bytesPerToken;
        const result = { loss, perplexity: Math.exp(loss), bitsPerByte, tokens, tokensPerSecond: tokens / (ms / 1000) };
        if (flags.json) {
          console.log(JSON.stringify(result));
          return;
        }
        console.log(
          facts(
            [
              ['loss', `${loss.toFixed(4)} nats per token`],
              ['perplexity', result.perplexity.toFixed(2)],
              ['bits per byte', bitsPerByte === null ? 'unknown (no manifest)' : bitsPerByte.toFixed(4)],
              ['tokens', `${count(tokens)} in ${duration(ms)} (${count(result.tokensPerSecond)} per second)`],
            ],
            '',
          ),
        );
      } finally {
        await dataset.close();
      }
    });
}

async function openSplit(flags: EvalFlags, vocabSize: number) {
  const isDirectory = (await stat(flags.data).catch(() => undefined))?.isDirectory();
  if (!isDirectory) {
    const dataset = await loadDataset({ train: flags.data, vocabSize });
    return { dataset, source: dataset.train, bytesPerToken: undefined };
  }
  const manifest = await readManifest(flags.data);
  if (manifest.vocabSize > vocabSize) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${flags.data}: expected tokens of the model's vocabulary (${vocabSize}), the data set has ${manifest.vocabSize}; was the model trained with another tokenizer?`,
    );
  }
  const dataset = await loadDataset({ directory: flags.data });
  const source = dataset[flags.split];
  const split = manifest.splits[flags.split];
  if (source === undefined || split === undefined) {
    await dataset.close();
    throw new BurgeonError('ERR_BURGEON_DATA', `${flags.data}: expected a ${flags.split} split, the data set has none`);
  }
  return { dataset, source, bytesPerToken: split.bytes / split.tokens };
}
