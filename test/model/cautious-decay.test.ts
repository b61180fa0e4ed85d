// Cautious weight decay against what it is made of: an element is where plain decay takes it if the update moves it towards zero,
// else where it would be without decay. In all bits, as both are the same arithmetic.

import { describe, expect, it } from 'vitest';
import { Model } from '../../lib/model/model.ts';
import type { OptimizerOptions } from '../../lib/model/options.ts';

const config = { preset: 'gpt2-tiny', nEmbd: 32, contextLength: 16, vocabSize: 50 } as const;

/** All weights after two updates, of which the last has these options; and before it. */
async function updated(options: Parameters<typeof Model.create>[1], last: Partial<OptimizerOptions>) {
  using model = await Model.create(config, { seed: 3, ...options });
  const tokens = Int32Array.from({ length: 32 }, (_, i) => (7 * i) % 50);
  const weights = async () => {
    const values: number[] = [];
    for (const name of model.tensorNames) values.push(...(await model.parameter(name)));
    return values;
  };
  let before: number[] = [];
  for (const more of [{}, last]) {
    before = await weights();
    await model.forwardBackward(
      tokens,
      tokens.map((token) => (token + 1) % 50),
      { batchSize: 2 },
    );
    await model.optimizerStep({ lr: 0.01, ...more });
  }
  return { before, after: await weights() };
}

describe.each([
  ['adamw', 'cpu'],
  ['muon', 'cpu'],
  ['adamw', 'reference'],
  ['muon', 'reference'],
] as const)('cautious weight decay with %s on %s', (optimizer, device) => {
  it('decays what moves towards zero, and nothing else', async () => {
    const options = { optimizer, device };
    const { before, after: none } = await updated(options, {});
    const { after: plain } = await updated(options, { weightDecay: 0.5 });
    const { after: cautious } = await updated(options, { weightDecay: 0.5, cautiousWeightDecay: true });
    let decayed = 0;
    let kept = 0;
    for (const [i, value] of cautious.entries()) {
      const update = before[i]! - none[i]!;
      const isOpposed = update * before[i]! < 0;
      if (update !== 0) expect(value).toBe(isOpposed ? none[i] : plain[i]);
      if (plain[i] !== none[i]) isOpposed ? kept++ : decayed++;
    }
    expect(decayed).toBeGreaterThan(1000);
    expect(kept).toBeGreaterThan(1000);
  });
});
