// burgeon eval: loss of a model on token shards.

import { Command, Option } from 'commander';
import { findModel } from '../checkpoint/find-model.ts';
import { fixedWindows } from '../data/fixed-windows.ts';
import { Model } from '../model/model.ts';
import { evaluate } from '../train/evaluator.ts';
import { openSplit } from './data-argument.ts';
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
      const { dataset, source, bytesPerToken } = await openSplit(flags.data, flags.split, model.config.vocabSize);
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
