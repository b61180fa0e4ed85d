// Processes that are measured together: what is told where one cannot, and that none is left behind. What is measured is in
// test/cli/bench.test.ts.
import { expect, test } from 'vitest';
import { tinyModelRow } from '../../lib/bench/model-rows.ts';

// Compiled, as the processes are started without what compiles the tests.
const compiled = (name: string) => import(`../../dist/bench/${name}.js`);
const { RankGroup }: typeof import('../../lib/bench/rank-group.ts') = await compiled('rank-group');
const { benchRanks, rankVariants }: typeof import('../../lib/bench/rank-bench.ts') = await compiled('rank-bench');

const { config, batchSize, sequenceLength } = tinyModelRow;
const setup = { config, sequenceLength, precision: 'float32', threads: 1 } as const;
const [dense] = rankVariants(batchSize);

test('a dense step, one shared draw, two nested parts, and a draw for each group', () => {
  expect(rankVariants(8).map(({ name, groups, choose }) => [name, groups, choose !== undefined])).toEqual([
    ['dense', 1, false],
    ['stage 1', 1, false],
    ['L/2', 1, true],
    ['width/2', 1, true],
    ['stage 1', 4, false],
  ]);
  // Of one sequence there is one group, drawn as the shared one.
  expect(rankVariants(1).map(({ name }) => name)).toEqual(['dense', 'stage 1', 'L/2', 'width/2']);
});

test('ranks come to the bits of one; what one cannot do is told with its number', async () => {
  using alone = await RankGroup.start({ ...setup, size: 1, microBatches: 2, batchSize: 2 });
  using two = await RankGroup.start({ ...setup, size: 2, microBatches: 2, batchSize: 2 });
  for (const step of [0, 1]) {
    const [expected] = await alone.take(dense!, step);
    const taken = await two.take(dense!, step);
    expect(taken.map(({ gradientNorm }) => gradientNorm)).toEqual([expected!.gradientNorm, expected!.gradientNorm]);
    for (const { all, wait, exchange } of taken) expect(all).toBeGreaterThan(wait + exchange);
  }
  const wrong = { ...dense!, rates: { heads: 2, neurons: 1, layers: 1 } };
  await expect(alone.take(wrong, 2)).rejects.toMatchObject({
    code: 'ERR_BURGEON_CONFIG',
    message: expect.stringMatching(/^rank 0: rates\.heads: expected a number above 0 and at most 1, received 2/),
  });
});

test('a rank that is gone ends the measurement', async () => {
  const group = await RankGroup.start({ ...setup, size: 1, microBatches: 1, batchSize: 1 });
  group[Symbol.dispose]();
  await expect(group.take(dense!, 0)).rejects.toMatchObject({ code: 'ERR_BURGEON_RANKS' });
});

test('a signal ends it before anything is measured', async () => {
  const options = { ranks: 2, threads: 2, precision: 'float32', rounds: 1, signal: AbortSignal.abort() } as const;
  expect(await benchRanks(tinyModelRow, options)).toBeUndefined();
});
