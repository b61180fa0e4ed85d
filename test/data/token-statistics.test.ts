import { describe, expect, it, onTestFinished } from 'vitest';
import { TokenSource } from '../../lib/data/token-source.ts';
import { lengthStatistics, type StatisticsOptions, tokenStatistics } from '../../lib/data/token-statistics.ts';
import { TokenShardWriter } from '../../lib/prepare/token-shard-writer.ts';
import { useTempDirectory } from './temp-directory.ts';

const temp = useTempDirectory();

async function statisticsOf(tokens: number[], options: Partial<StatisticsOptions> = {}) {
  const shape = { directory: temp.path(), name: 'x', split: 'train' as const, vocabSize: 10, shardTokens: 5 };
  const writer = new TokenShardWriter(shape);
  await writer.write(tokens);
  const source = await TokenSource.open((await writer.end()).map((name) => temp.path(name)));
  onTestFinished(() => source.close());
  const all = { vocabSize: 10, delimiter: 9, isOneDocument: false, unknown: 0, ...options };
  return tokenStatistics(source, all);
}

describe('tokenStatistics', () => {
  const tokens = [9, 1, 2, 9, 0, 0, 5, 9, 9, 1, 1];
  it('counts tokens, documents and unknown ones by shard', async () => {
    const { counts, shards, lengths } = await statisticsOf(tokens);
    expect([...counts]).toEqual([2, 3, 1, 0, 0, 1, 0, 0, 0, 4]);
    expect(shards).toEqual([
      { tokens: 5, documents: 2, unknown: 1 },
      { tokens: 5, documents: 2, unknown: 1 },
      { tokens: 1, documents: 0, unknown: 0 },
    ]);
    // Lengths 2, 3, 0, 2.
    expect(lengths).toMatchObject({ documents: 4, mean: 7 / 4, min: 0, p50: 2, max: 3 });
  });

  it('knows no lengths where documents cannot be told apart', async () => {
    const { lengths, shards } = await statisticsOf(tokens, { delimiter: null });
    expect(lengths).toBeUndefined();
    expect(shards.map(({ documents }) => documents)).toEqual([0, 0, 0]);
  });

  it('takes a single document for what it is', async () => {
    const { lengths } = await statisticsOf(tokens, { delimiter: null, isOneDocument: true });
    expect(lengths).toMatchObject({ documents: 1, min: 11, max: 11 });
  });

  it('counts the rest of a document that was cut', async () => {
    expect((await statisticsOf([1, 2, 3, 9, 4])).lengths).toMatchObject({ documents: 2, min: 1, max: 3 });
  });
});

describe('lengthStatistics', () => {
  it('gives lengths that the shares do not exceed, and bins that double', () => {
    const lengths = lengthStatistics(new Map(Array.from({ length: 100 }, (_, i) => [i + 1, 1] as const)));
    expect(lengths).toMatchObject({ min: 1, p5: 5, p25: 25, p50: 50, p75: 75, p95: 95, max: 100, mean: 50.5 });
    expect(lengths.histogram).toEqual(
      [1, 2, 4, 8, 16, 32]
        .map((n) => ({ from: n, to: 2 * n - 1, documents: n }))
        .concat({ from: 64, to: 127, documents: 37 }),
    );
  });

  it('has the bins between that have none, and one for nothing', () => {
    expect(lengthStatistics(new Map([[9, 3]])).histogram).toEqual([{ from: 8, to: 15, documents: 3 }]);
    expect(
      lengthStatistics(
        new Map([
          [4, 1],
          [0, 2],
        ]),
      ).histogram.map(({ documents }) => documents),
    ).toEqual([2, 0, 0, 1]);
  });
});
