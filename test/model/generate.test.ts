// Generation against forward passes by hand, and the choice of a token against its definition. Statistics use fixed
// seeds, so they give the same numbers every time.
import { beforeAll, describe, expect, it } from 'vitest';
import { CounterRng } from '../../lib/est/rng.ts';
import { Model } from '../../lib/model/model.ts';
import { chooseToken } from '../../lib/model/next-token.ts';
import { roughen, smallConfig } from '../helpers/models.ts';

const config = smallConfig({ nLayer: 2, contextLength: 8 });

describe('generate', () => {
  let model: Model;

  beforeAll(async () => {
    model = await Model.create(config, { threads: 2 });
    await roughen(model);
    // Tied embeddings make the last token the likeliest next one; larger positions make it more interesting.
    const positions = await model.parameter('wpe.weight');
    await model.setParameter(
      'wpe.weight',
      positions.map((value) => 8 * value),
    );
    return () => model.dispose();
  });

  /** The logits after these tokens. */
  async function logitsAfter(tokens: readonly number[]): Promise<ArrayLike<number>> {
    return (await model.forward(Int32Array.from(tokens.slice(-8)), { logits: 'last' })).logits!;
  }

  function argmax(values: ArrayLike<number>): number {
    return Array.from(values).reduce((best, value, i) => (value > values[best]! ? i : best), 0);
  }

  it('at temperature 0 is the argmax of forward, far beyond the context length', async () => {
    const prompt = [5, 17, 2];
    const expected = [...prompt];
    for (let i = 0; i < 20; i++) expected.push(argmax(await logitsAfter(expected)));
    const generated = await model.generate(Int32Array.from(prompt), { maxTokens: 20, temperature: 0 });
    expect([...prompt, ...generated]).toEqual(expected);
    expect(new Set(generated).size).toBeGreaterThan(2);
  });

  it('takes the last tokens of a prompt that is longer than the context', async () => {
    const prompt = Array.from({ length: 30 }, (_, i) => (7 * i) % 61);
    const options = { maxTokens: 10, seed: 4 };
    expect(await model.generate(prompt, options)).toEqual(await model.generate(prompt.slice(-8), options));
  });

  it('is fixed by the seed, whatever the number of threads', async () => {
    const options = { maxTokens: 30, seed: 3 };
    const tokens = await model.generate([1], options);
    expect(tokens).toHaveLength(30);
    expect(tokens.every((token) => token >= 0 && token < 61)).toBe(true);
    expect(await model.generate([1], options)).toEqual(tokens);
    expect(await model.generate([1], { ...options, seed: 4 })).not.toEqual(tokens);
    expect(await model.generate([1], { maxTokens: 10, seed: 3 })).toEqual(tokens.slice(0, 10));

    using other = await Model.create(config, { threads: 1 });
    for (const name of model.tensorNames) await other.setParameter(name, await model.parameter(name));
    expect(await other.generate([1], options)).toEqual(tokens);
  });

  it('keeps within topK and topP', async () => {
    for (const limit of [{ topK: 3 }, { topP: 0.4 }, { topK: 5, topP: 0.6 }]) {
      const tokens = [9];
      tokens.push(...(await model.generate(tokens, { maxTokens: 40, temperature: 2, seed: 8, ...limit })));
      for (let i = 1; i < tokens.length; i++) {
        const allowed = likeliest(softmax(await logitsAfter(tokens.slice(0, i)), 2), limit);
        expect(allowed, `token ${i}`).toContain(tokens[i]);
      }
    }
    expect(await model.generate([9], { maxTokens: 20, topK: 1 })).toEqual(
      await model.generate([9], { maxTokens: 20, temperature: 0 }),
    );
  });

  it('ends before the stop token', async () => {
    const free = await model.generate([1], { maxTokens: 30, seed: 3 });
    const stopToken = free[12]!;
    const end = free.indexOf(stopToken);
    const seen: number[] = [];
    const onToken = (token: number) => seen.push(token);
    const stopped = await model.generate([1], { maxTokens: 30, seed: 3, stopToken, onToken });
    expect(stopped).toEqual(free.slice(0, end));
    expect(seen).toEqual([...stopped]);
  });

  it('ends with the signal, keeping what there is', async () => {
    const controller = new AbortController();
    const seen: number[] = [];
    const tokens = await model.generate([1], {
      maxTokens: 1000,
      signal: controller.signal,
      onToken(token) {
        seen.push(token);
        if (seen.length === 4) controller.abort();
      },
    });
    expect([...tokens]).toEqual(seen);
    expect(tokens).toHaveLength(4);
    expect(await model.generate([1], { signal: AbortSignal.abort() })).toHaveLength(0);
    expect(await model.generate([1], { maxTokens: 0 })).toHaveLength(0);
  });

  it('passes on what onToken throws, and the model goes on', async () => {
    const thrown = new Error('enough');
    const onToken = () => {
      throw thrown;
    };
    await expect(model.generate([1], { onToken })).rejects.toBe(thrown);
    expect(await model.generate([1], { maxTokens: 2 })).toHaveLength(2);
  });

  it('refuses weights that are not finite', async () => {
    using broken = await Model.create(config);
    await broken.setParameter('ln_f.bias', new Float32Array(32).fill(Number.NaN));
    await expect(broken.generate([1])).rejects.toMatchObject({
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
