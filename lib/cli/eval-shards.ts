// burgeon eval --data: loss, perplexity and bits per byte on token shards.

import { type FixedBatch, fixedWindows } from '../data/fixed-windows.ts';
import type { Model } from '../model/model.ts';
import { createTokenizer } from '../tokenizer/open-tokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { evaluate } from '../train/evaluator.ts';
import { openSplit } from './data-argument.ts';
import type { EvalFlags } from './eval-flags.ts';
import { count, duration, facts } from './format.ts';
import { findTokenizer } from './model-argument.ts';
import { ProgressLine } from './progress.ts';

type ShardFlags = EvalFlags & { data: string };

/** @param directory the model's, which may have the tokenizer of the shards. */
export async function evalShards(model: Model, directory: string, flags: ShardFlags): Promise<void> {
  const { split, dtype } = flags;
  const { source, manifest, check, close } = await openSplit(flags.data, {
    ...{ split, dtype, vocabSize: model.config.vocabSize, model: directory },
  });
  try {
    const tokenizer =
      manifest === undefined ? await findTokenizer(directory, flags.tokenizer) : createTokenizer(manifest.tokenizer);
    const progress = new ProgressLine();
    const T = flags.sequenceLength ?? model.config.contextLength;
    const counter = new ByteCounter(tokenizer);
    const batches = counter.watch(fixedWindows(source, T, flags.windows, flags.batchSize));
    const { loss, tokens, ms } = await evaluate(model, batches, {
      subnetwork: flags.subnetwork,
      onBatch: (done) => progress.update(() => `${count(done)} tokens`),
    });
    await check.finish();
    progress.clear();
    const bitsPerByte = counter.bytes === undefined ? null : (loss * tokens) / Math.LN2 / counter.bytes;
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
          ['bits per byte', bitsPerByte === null ? 'unknown (no tokenizer)' : bitsPerByte.toFixed(4)],
          ['tokens', `${count(tokens)} in ${duration(ms)} (${count(result.tokensPerSecond)} per second)`],
        ],
        '',
      ),
    );
  } finally {
    await close();
  }
}

/** Counts the bytes that the targets stand for, as they pass. */
class ByteCounter {
  /** Undefined without a tokenizer, or once there was a token that the tokenizer does not know. */
  bytes: number | undefined;
  readonly #tokenizer: Tokenizer | undefined;

  constructor(tokenizer: Tokenizer | undefined) {
    this.#tokenizer = tokenizer;
    this.bytes = tokenizer && 0;
  }

  async *watch(batches: AsyncIterable<FixedBatch>): AsyncGenerator<FixedBatch> {
    for await (const batch of batches) {
      this.#add(batch.targets);
      yield batch;
    }
  }

  #add(targets: Int32Array): void {
    const tokenizer = this.#tokenizer;
    if (tokenizer === undefined || this.bytes === undefined) return;
    const isKnown = targets.every((token) => token < tokenizer.vocabSize);
    this.bytes = isKnown ? this.bytes + tokenizer.byteLength(targets) : undefined;
  }
}
