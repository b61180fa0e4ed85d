// Profiles: phases told by the order of ops, sums that add up, and a real run whose ops execute the FLOPs of the ledger.

import { describe, expect, test } from 'vitest';
import { bytesMoved, numberBytes } from '../../lib/bench/op-traffic.ts';
import { type ProfiledStep, savingOf, spansOf, totalsOf, traceOf } from '../../lib/bench/profile-events.ts';
import { profileSteps } from '../../lib/bench/profile-steps.ts';
import { allFlops, countFlopsFromCounts } from '../../lib/est/flops.ts';
import { parseTrainConfig } from '../../lib/train/train-config.ts';
import { prepareText, tinyConfig } from '../train/helpers.ts';

/** As native/model/step.cc calls them: one layer, logits in two blocks, then an update. */
const order = [
  ['embedding_forward', 'forward'],
  ['linear_expand', 'forward'],
  ['norm_forward', 'forward'],
  ['linear_expand', 'forward'],
  ['cross_entropy', 'forward'],
  ['linear_contract', 'backward'],
  ['linear_weight_gradient', 'backward'],
  ['linear_expand', 'forward'],
  ['cross_entropy', 'forward'],
  ['linear_contract', 'backward'],
  ['norm_backward', 'backward'],
  ['linear_expand', 'backward'],
  ['embedding_backward', 'backward'],
  ['sum_of_squares', 'optimizer'],
  ['adamw', 'optimizer'],
  ['embedding_forward', 'forward'],
] as const;

test('phases follow from the order of the ops', () => {
  const events = order.map(([op], i) => ({
    op,
    agoNs: 1e6 * (20 - i),
    durationNs: 5e5,
    flops: 2,
    sizes: [0, 0, 0, 0, 0],
  }));
  const spans = spansOf(events, 100, { activation: 4, weight: 4 });
  expect(spans.map(({ name, phase }) => [name, phase])).toEqual(order.map((pair) => [...pair]));
  expect(spans[3]).toMatchObject({ start: 83, ms: 0.5, flops: 2 });
});

describe('totals', () => {
  const step = (ms: number, opMs: number, flops: number): ProfiledStep => ({
    start: 0,
    ms,
    spans: [
      { name: 'batch', phase: 'data', start: 0, ms: 1, flops: 0, bytes: 0, sizes: [] },
      ...[0, 1].map(() => ({ name: 'a', phase: 'forward' as const, start: 1, ms: opMs, flops, bytes: 8, sizes: [] })),
    ],
  });

  test('add up, over the faster half of the steps', () => {
    const totals = totalsOf([step(10, 3, 100), step(90, 40, 100), step(12, 4, 100), step(70, 30, 100)]);
    expect(totals.ms).toBe(11);
    expect(totals.phases).toEqual({ data: 1, forward: 7, backward: 0, optimizer: 0, idle: 3 });
    expect(totals.ops).toEqual([{ op: 'a', phase: 'forward', calls: 2, ms: 7, flops: 200, bytes: 16, share: 7 / 11 }]);
  });

  test('skip efficiency is time saved over work saved', () => {
    const [complete, part] = [totalsOf([step(10, 4, 100)]), totalsOf([step(10, 2, 25)])];
    expect(savingOf(part.ops[0]!, complete)).toEqual({ timeRatio: 0.5, workRatio: 0.25, efficiency: 0.5 / 0.75 });
    expect(savingOf(complete.ops[0]!, complete)?.efficiency).toBeNull();
    expect(savingOf({ ...part.ops[0]!, op: 'b' }, complete)).toBeNull();
  });
});

test('bytes of an op follow from its sizes', () => {
  // y (10, 6) = x (10, 4) W^T, W (6, 4); y_stride comes first.
  const bytes = (op: string, sizes: number[], backend = 'cpu', precision = 'float32') =>
    bytesMoved(op, sizes, numberBytes(backend, precision));
  expect(bytes('linear_expand', [6, 10, 6, 4, 0])).toBe(4 * (60 + 40 + 24));
  // Activations of bfloat16, on CUDA devices also weights as products read them; masters are float32.
  expect(bytes('linear_expand', [6, 10, 6, 4, 0], 'cpu', 'bf16')).toBe(2 * (60 + 40) + 4 * 24);
  expect(bytes('linear_expand', [6, 10, 6, 4, 0], 'cuda', 'bf16')).toBe(2 * (60 + 40 + 24));
  expect(bytes('gather_matrix', [24, 0, 0, 0, 0], 'cuda', 'bf16')).toBe((2 + 4) * 24);
  expect(bytes('adamw', [24, 0, 0, 0, 0], 'cuda', 'bf16')).toBe(8 * 4 * 24);
  expect(bytes('unheard_of', [1, 2, 3, 4, 5])).toBe(0);
});

test('a profiled run executes the FLOPs that the ledger counts, stage by stage, and its trace has every op', async () => {
  const { data, remove } = await prepareText();
  try {
    const config = parseTrainConfig(tinyConfig(data, 'unused'));
    const profile = await profileSteps(config, { steps: 2 });
    expect(profile!.stages.map(({ name, isDense }) => [name, isDense])).toEqual([
      ['stage 1', false],
      ['stage 2', false],
      ['stage 3', true],
    ]);
    const model = { nLayer: 2, nHead: 2, nEmbd: 32, nInner: 128, vocabSize: 21 };
    const shape = { batchSize: 4, sequenceLength: 16 };
    const counts = [
      { layers: 1, heads: 1, neurons: 64 },
      { layers: 2, heads: 1, neurons: 64 },
      { layers: 2, heads: 2, neurons: 128 },
    ];
    for (const [i, { totals, steps }] of profile!.stages.entries()) {
      const executed = totals.ops.reduce((sum, { flops }) => sum + flops, 0);
      expect(executed).toBe(allFlops(countFlopsFromCounts(model, { ...shape, ...counts[i]! })));
      const { ms, phases } = totals;
      expect(Object.values(phases).reduce((sum, phase) => sum + phase, 0)).toBeCloseTo(ms, 6);
      expect(totals.ops.map(({ op, phase }) => `${phase} ${op}`)).toEqual(
        expect.arrayContaining(['forward mlp_forward', 'backward attention_backward', 'optimizer adamw']),
      );
      // Ops run within their step, one after the other. Where on its clock they lie is known but for how long a call into
      // native code takes, on a busy machine perhaps long.
      for (const { start, ms: length, spans } of steps) {
        const ops = spans.filter(({ phase }) => phase !== 'data');
        const [first, last] = [ops[0]!, ops.at(-1)!];
        for (const [j, { start: begin, ms: before }] of ops.slice(0, -1).entries()) {
          expect(ops[j + 1]!.start).toBeGreaterThan(begin + before - 1e-3);
        }
        expect(last.start + last.ms - first.start).toBeLessThan(length);
        expect(Math.abs(first.start - start)).toBeLessThan(1000 + length);
      }
    }
    const { traceEvents } = traceOf(profile!.stages) as { traceEvents: { ph: string; dur: number; ts: number }[] };
    const drawn = traceEvents.filter(({ ph }) => ph === 'X');
    const spans = profile!.stages.flatMap(({ steps }) => steps.flatMap((step) => step.spans));
    expect(drawn).toHaveLength(spans.length + 6);
    expect(drawn.every(({ ts, dur }) => ts >= 0 && dur >= 0)).toBe(true);
  } finally {
    await remove();
  }
});
