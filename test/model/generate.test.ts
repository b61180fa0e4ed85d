// Generation against forward passes by hand, and the choice of a token against its definition. Statistics use fixed
// seeds, so they give the same numbers every time.
import { beforeAll, describe, expect, it } from 'vitest';
import type { ModelConfig } from '../../lib/config/model-config.ts';
import { CounterRng } from '../../lib/est/rng.ts';
import { Model } from '../../lib/model/model.ts';
import { chooseToken } from '../../lib/model/next-token.ts';
import { generated, roughen, smallConfig, smallLlama } from '../helpers/models.ts';

const contextLength = 8;
const architectures: [string, ModelConfig][] = [
  ['gpt2', smallConfig({ nLayer: 2, contextLength })],
  ['llama', smallLlama({ nLayer: 2, contextLength })],
];

describe.each(architectures)('generate with %s', (_, config) => {
  let model: Model;

  beforeAll(async () => {
    model = await Model.create(config, { threads: 2 });
    await roughen(model);
    // Tied embeddings make the last token the likeliest next one; larger positions make it more interesting.
    if (config.architecture === 'gpt2') {
      const positions = await model.parameter('wpe.weight');
      await model.setParameter(
        'wpe.weight',
        positions.map((value) => 8 * value),
      );
    }
    return () => model.dispose();
  });

  /** What generation reads to add a token to `tokens`, of which `promptLength` were given: all, until they outgrow the
   * context; then the newest three quarters, to which it adds again. */
  function windowOf(tokens: readonly number[], promptLength: number): readonly number[] {
    let start = Math.max(0, promptLength - contextLength);
    for (let end = promptLength; end <= tokens.length; end++) {
      if (end - start > contextLength) start = end - Math.ceil(0.75 * contextLength);
    }
    return tokens.slice(start);
  }

  /** The logits after these tokens, from one pass over all of the window. */
  async function logitsAfter(tokens: readonly number[], promptLength: number): Promise<ArrayLike<number>> {
    return (await model.forward(Int32Array.from(windowOf(tokens, promptLength)), { logits: 'last' })).logits!;
  }

  it('looks back on a sequence, where that is shorter than the context', async () => {
    const prompt = [3, 1, 4, 1, 5, 9, 2, 6];
    const short = { sequenceLength: 4, temperature: 0 };
    const first = await generated(model, prompt, { ...short, maxTokens: 1 });
    expect(first).toEqual(await generated(model, prompt.slice(-4), { temperature: 0, maxTokens: 1 }));
    // The fifth token makes the newest three of four be read again.
    const [, second] = await generated(model, prompt, { ...short, maxTokens: 2 });
    const newest = [...prompt.slice(-2), first[0]!];
    expect([second]).toEqual(await generated(model, newest, { temperature: 0, maxTokens: 1 }));
    const whole = { maxTokens: 6, temperature: 0 };
    expect(await generated(model, prompt, { ...whole, sequenceLength: contextLength })).toEqual(
      await generated(model, prompt, whole),
    );
  });

  it.each([0, -1, 2.5, contextLength + 1, Number.NaN, '4' as unknown as number])(
    'refuses a sequence of %s tokens',
    (sequenceLength) => {
      expect(() => model.generate([1], { sequenceLength })).toThrow(
        `sequenceLength: expected an integer from 1 to ${contextLength}, the model's context length, received ${sequenceLength}`,
      );
    },
  );

  function argmax(values: ArrayLike<number>): number {
    return Array.from(values).reduce((best, value, i) => (value > values[best]! ? i : best), 0);
  }

  it('at temperature 0 is the argmax of uncached passes, far beyond the context length', async () => {
    for (const prompt of [[5, 17, 2], [9], [1, 2, 3, 4, 5, 6, 7, 8], [8, 7, 6, 5, 4, 3, 2, 1, 0, 60, 59]]) {
      const expected = [...prompt];
      for (let i = 0; i < 20; i++) expected.push(argmax(await logitsAfter(expected, prompt.length)));
      const tokens = await generated(model, Int32Array.from(prompt), { maxTokens: 20, temperature: 0 });
      expect([...prompt, ...tokens]).toEqual(expected);
      expect(new Set(tokens).size).toBeGreaterThan(2);
    }
  });

  it('gives the same text in every precision of its reference', async () => {
    const texts: number[][] = [];
    for (const precision of ['float32', 'float64'] as const) {
      using other = await Model.create(config, { device: 'reference', precision });
      for (const name of model.tensorNames) await other.setParameter(name, await model.parameter(name));
      texts.push(await generated(other, [3, 1], { maxTokens: 15, temperature: 0 }));
    }
    texts.push(await generated(model, [3, 1], { maxTokens: 15, temperature: 0 }));
    expect(texts[1]).toEqual(texts[0]);
    expect(texts[2]).toEqual(texts[0]);
  });

  it('takes the last tokens of a prompt that is longer than the context', async () => {
    const prompt = Array.from({ length: 30 }, (_, i) => (7 * i) % 61);
    const options = { maxTokens: 10, seed: 4 };
    expect(await generated(model, prompt, options)).toEqual(await generated(model, prompt.slice(-8), options));
  });

  it('is fixed by the seed, whatever the number of threads', async () => {
    const options = { maxTokens: 30, seed: 3 };
    const tokens = await generated(model, [1], options);
    expect(tokens).toHaveLength(30);
    expect(tokens.every((token) => token >= 0 && token < 61)).toBe(true);
    expect(await generated(model, [1], options)).toEqual(tokens);
    expect(await generated(model, [1], { ...options, seed: 4 })).not.toEqual(tokens);
    // The room that is made for the text does not change it.
    expect(await generated(model, [1], { maxTokens: 10, seed: 3 })).toEqual(tokens.slice(0, 10));

    using other = await Model.create(config, { threads: 1 });
    for (const name of model.tensorNames) await other.setParameter(name, await model.parameter(name));
    expect(await generated(other, [1], options)).toEqual(tokens);
  });

  it('keeps within topK and topP', async () => {
    for (const limit of [{ topK: 3 }, { topP: 0.4 }, { topK: 5, topP: 0.6 }]) {
      const tokens = [9];
      tokens.push(...(await generated(model, tokens, { maxTokens: 40, temperature: 2, seed: 8, ...limit })));
      for (let i = 1; i < tokens.length; i++) {
        const allowed = likeliest(softmax(await logitsAfter(tokens.slice(0, i), 1), 2), limit);
        expect(allowed, `token ${i}`).toContain(tokens[i]);
      }
    }
    expect(await generated(model, [9], { maxTokens: 20, topK: 1 })).toEqual(
      await generated(model, [9], { maxTokens: 20, temperature: 0 }),
    );
  });

  it('ends before the stop token', async () => {
    const free = await generated(model, [1], { maxTokens: 30, seed: 3 });
    const stopToken = free[12]!;
    const end = free.indexOf(stopToken);
    expect(await generated(model, [1], { maxTokens: 30, seed: 3, stopToken })).toEqual(free.slice(0, end));
    const either = [free[20]!, stopToken];
    const first = free.findIndex((token) => either.includes(token));
    expect(await generated(model, [1], { maxTokens: 30, seed: 3, stopToken: either })).toEqual(free.slice(0, first));
  });

  it('ends with the signal, keeping what there is', async () => {
    const controller = new AbortController();
    const tokens: number[] = [];
    for await (const token of model.generate([1], { maxTokens: 1000, signal: controller.signal })) {
      tokens.push(token);
      if (tokens.length === 4) controller.abort();
    }
    expect(tokens).toHaveLength(4);
    expect(await generated(model, [1], { signal: AbortSignal.abort() })).toHaveLength(0);
    expect(await generated(model, [1], { maxTokens: 0 })).toHaveLength(0);
  });

  it('leaves the model free when its reader stops or throws, and keeps it busy until then', async () => {
    for await (const _ of model.generate([1])) {
      await expect(model.forward(Int32Array.of(1))).rejects.toMatchObject({ code: 'ERR_BURGEON_BUSY' });
      break;
    }
    const thrown = new Error('enough');
    const reading = async () => {
      for await (const _ of model.generate([1])) throw thrown;
    };
    await expect(reading()).rejects.toBe(thrown);
    expect(await generated(model, [1], { maxTokens: 2 })).toHaveLength(2);
  });

  it('is not disturbed by other passes before it, and does not disturb training', async () => {
    const options = { maxTokens: 6, temperature: 0 };
    const expected = await generated(model, [4, 2], options);
    const batch = Int32Array.from({ length: 5 * contextLength }, (_, i) => i % 61);
    const before = await model.forward(batch, { batchSize: 5, targets: batch });
    expect(await generated(model, [4, 2], options)).toEqual(expected);
    expect((await model.forward(batch, { batchSize: 5, targets: batch })).loss).toBe(before.loss);
  });

  it('refuses weights that are not finite', async () => {
    using broken = await Model.create(config);
    const norm = config.architecture === 'gpt2' ? 'ln_f.weight' : 'norm.weight';
    await broken.setParameter(norm, new Float32Array(32).fill(Number.NaN));
    await expect(generated(broken, [1])).rejects.toMatchObject({
      code: 'ERR_BURGEON_NONFINITE',
      message: 'logits[0]: expected a finite number, computed NaN',
    });
  });
});

describe('chooseToken', () => {
  const logits = [1, 3, 2, -1, 3, 0];
  const draws = 20_000;

  /** Share of draws that chose each token. */
  function shares(options: Parameters<typeof chooseToken>[1], values: ArrayLike<number> = logits): number[] {
    const rng = new CounterRng(1, 2);
    const counts = new Array<number>(values.length).fill(0);
    for (let i = 0; i < draws; i++) counts[chooseToken(values, options, rng.nextFloat())]!++;
    return counts.map((count) => count / draws);
  }

  function expectShares(actual: number[], expected: number[]) {
    for (const [token, share] of expected.entries()) {
      // Five standard deviations.
      const tolerance = 5 * Math.sqrt((share * (1 - share)) / draws);
      expect(Math.abs(actual[token]! - share), `token ${token}`).toBeLessThanOrEqual(tolerance);
    }
  }

  it('draws with the softmax of the logits', () => {
    expectShares(shares({}), softmax(logits));
    expectShares(shares({ temperature: 0.5 }), softmax(logits, 0.5));
    expectShares(shares({ temperature: 3 }), softmax(logits, 3));
    expectShares(shares({ topK: 0, topP: 1 }), softmax(logits));
  });

  it('renormalises over what topK and topP keep', () => {
    for (const limit of [{ topK: 1 }, { topK: 3 }, { topK: 99 }, { topP: 0.3 }, { topP: 0.5 }, { topP: 0.9 }]) {
      const kept = likeliest(softmax(logits), limit);
      const sum = kept.reduce((total, token) => total + softmax(logits)[token]!, 0);
      const expected = softmax(logits).map((share, token) => (kept.includes(token) ? share / sum : 0));
      expectShares(shares(limit), expected);
    }
  });

  it('applies topP to what topK has kept', () => {
    // Of four equal tokens topK keeps two; half of those two is one.
    expectShares(shares({ topK: 2, topP: 0.5 }, [0, 0, 0, 0]), [1, 0, 0, 0]);
    expectShares(shares({ topP: 0.5 }, [0, 0, 0, 0]), [0.5, 0.5, 0, 0]);
  });

  it('takes the first of equal tokens where it must choose', () => {
    expect(chooseToken(logits, { temperature: 0 }, 0.9)).toBe(1);
    expect(chooseToken(logits, { topK: 1 }, 0.9)).toBe(1);
    expect(chooseToken(logits, { topP: 1e-9 }, 0.9)).toBe(1);
  });

  it('covers the tokens in their order with the interval [0, 1)', () => {
    const even = [0, 0, 0, 0];
    expect([0, 0.24, 0.26, 0.5, 0.76, 1 - 2 ** -53].map((uniform) => chooseToken(even, {}, uniform))).toEqual([
      0, 0, 1, 2, 3, 3,
    ]);
  });

  it('stays in range at extreme logits and temperatures', () => {
    expect(chooseToken([1e38, -1e38, 0], {}, 0.999)).toBe(0);
    expect(chooseToken([0, 1e-30], { temperature: 1e-320 }, 0.999)).toBe(1);
    expectShares(shares({ temperature: 1e300 }), new Array(6).fill(1 / 6));
    expect(chooseToken([7], {}, 0)).toBe(0);
  });

  it.each([Number.NaN, Infinity, -Infinity])('refuses %s', (bad) => {
    for (const temperature of [0, 1]) {
      expect(() => chooseToken([1, bad], { temperature }, 0.5)).toThrow(
        `logits[1]: expected a finite number, computed ${bad}`,
      );
    }
  });
});

function softmax(logits: ArrayLike<number>, temperature = 1): number[] {
  const weights = Array.from(logits, (logit) => Math.exp(logit / temperature));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** The tokens that topK and topP keep, by their definition. */
function likeliest(probabilities: number[], { topK = Infinity, topP = 1 }: { topK?: number; topP?: number }): number[] {
  const order = probabilities
    .map((_, token) => token)
    .sort((a, b) => probabilities[b]! - probabilities[a]! || a - b)
    .slice(0, topK);
  const enough = topP * order.reduce((sum, token) => sum + probabilities[token]!, 0) - 1e-12;
  let reached = 0;
  return order.filter((token) => {
    const isNeeded = reached < enough;
    reached += probabilities[token]!;
    return isNeeded;
  });
}
