// Whole steps: which rows and variants there are, and that a small one is verified, timed and described.
import { describe, expect, it } from 'vitest';
import type { Machine } from '../../lib/bench/machine.ts';
import { requireRelease, usedIsa } from '../../lib/bench/machine.ts';
import { benchModel } from '../../lib/bench/model-bench.ts';
import { modelRows, presetRow, stepVariants } from '../../lib/bench/model-rows.ts';
import { allFlops, countFlops, countFlopsFromCounts } from '../../lib/est/flops.ts';
import { countNewtonSchulzFlops } from '../../lib/est/newton-schulz.ts';
import { activeCounts } from '../../lib/est/sampler.ts';

describe('rows', () => {
  it('are letters, in any writing', () => {
    expect(modelRows('a,b').map(({ name }) => name)).toEqual(['a', 'b']);
    expect(modelRows('ca, a').map(({ name }) => name)).toEqual(['c', 'a']);
    for (const none of ['', 'i', 'a,x']) {
      expect(() => modelRows(none)).toThrow(
        `rows: expected letters of a, b, c, d, e, f, g, h, for example "a,b", received "${none}"`,
      );
    }
  });

  it('d and e are GPT-2', () => {
    const [d, e] = modelRows('de');
    expect(d).toMatchObject({
      batchSize: 4,
      sequenceLength: 256,
      config: { nLayer: 12, nEmbd: 768, vocabSize: 50304 },
    });
    expect(e).toMatchObject({ batchSize: 1, sequenceLength: 1024, config: d!.config });
  });

  it('can be a preset', () => {
    expect(presetRow('gpt2-nano', {})).toMatchObject({
      name: 'gpt2-nano V=65 B=4 T=64',
      batchSize: 4,
      config: { vocabSize: 65 },
    });
    expect(presetRow('gpt2', { sequenceLength: 8 }).config.vocabSize).toBe(50257);
    expect(presetRow('gpt2', { vocabSize: 50304, batchSize: 1 }).config.vocabSize).toBe(50304);
    expect(() => presetRow('gpt2-nano', { sequenceLength: 65 })).toThrow('length: expected at most the 64 positions');
    expect(() => presetRow('gpt3', {})).toThrow('did you mean gpt2?');
  });
});

describe('steps', () => {
  it('are dense, both stages with one group and with the default groups, and the first units', () => {
    const text = (batchSize: number, rates: number[] = []) =>
      stepVariants(batchSize, rates).map(({ name, groups, inactive }) => `${name}/${groups}/${inactive}`);
    expect(text(8)).toEqual([
      'dense/1/freeze',
      'stage 1/1/freeze',
      'stage 2/1/freeze',
      'L/4/1/freeze',
      'L/2/1/freeze',
      'width/2/1/freeze',
      'stage 1/4/zero-grad',
      'stage 2/4/zero-grad',
    ]);
    expect(text(1)[6]).toBe('stage 1/1/zero-grad');
    expect(text(3, [0.25])).toContain('0.25/3/zero-grad');
  });

  it('of a small model execute what the ledger says', async () => {
    const machine = { peakGflops: 100, peakBf16Gflops: 200 } as Machine;
    const row = presetRow('gpt2-tiny', { batchSize: 5, sequenceLength: 16 });
    const progress: string[] = [];
    const settings = { precision: 'bf16', device: 'cpu', threads: 1, rounds: 2, machine } as const;
    const result = await benchModel(row, { ...settings, onProgress: (text) => progress.push(text) });
    const { entries, parameterBytes, activationBytes, peakRssBytes } = result!;
    expect(new Set(entries.map(({ key }) => key)).size).toBe(entries.length);
    expect(entries[0]!.key).toBe('gpt2-tiny V=65 B=5 T=16 dense groups=1 freeze bf16 threads=1');
    const shape = { batchSize: 5, sequenceLength: 16 };
    const dense = allFlops(countFlops(row.config, shape));
    for (const { rates, flops, samples, allFlopRatio, tokensPerSecond, ms } of entries) {
      const counts = activeCounts({ ...row.config, rates });
      expect(flops).toBe(allFlops(countFlopsFromCounts(row.config, { ...shape, ...counts })));
      expect(allFlopRatio).toBe(flops / dense);
      expect(samples).toHaveLength(2);
      expect(tokensPerSecond).toBeCloseTo(80_000 / ms.median, 6);
    }
    expect(peakRssBytes).toBeGreaterThan(parameterBytes + activationBytes);
    expect(progress.at(-1)).toBe(`${row.name}: round 2 of 2`);
    expect(await benchModel(row, { ...settings, signal: AbortSignal.abort() })).toBeUndefined();
    expect(entries.every(({ newtonSchulzFlops }) => newtonSchulzFlops === 0)).toBe(true);

    const muon = (await benchModel(row, { ...settings, optimizer: 'muon' }))!;
    expect(muon.entries[0]!.key).toBe('gpt2-tiny V=65 B=5 T=16 dense groups=1 freeze bf16 muon threads=1');
    const whole = countNewtonSchulzFlops(row.config);
    for (const { name, inactive, flops, newtonSchulzFlops, updateShare } of muon.entries) {
      expect(flops).toBe(entries.find((entry) => entry.name === name)!.flops);
      if (name === 'dense' || inactive === 'zero-grad') expect(newtonSchulzFlops).toBe(whole);
      else expect(newtonSchulzFlops).toBeLessThan(0.6 * whole);
      expect(updateShare.median).toBeGreaterThan(0);
      expect(updateShare.median).toBeLessThan(1);
    }
  });
});

describe('the machine', () => {
  it('is not measured with a Debug build', () => {
    expect(() => requireRelease('/somewhere/build/Debug/burgeon.node')).toThrow('expected a Release build');
    expect(() => requireRelease('/Debugging/build/Release/burgeon.node')).not.toThrow();
  });

  it('uses no more than it has or is allowed', () => {
    expect(usedIsa('avx512', undefined)).toBe('avx512');
    expect(usedIsa('avx512', '')).toBe('avx512');
    expect(usedIsa('avx512', 'avx2')).toBe('avx2');
    expect(usedIsa('avx2', 'avx512bf16')).toBe('avx2');
  });
});
