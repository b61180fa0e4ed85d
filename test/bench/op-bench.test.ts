// The ops that are measured: their shapes at every rate, native runs of small ones, and arguments that are refused.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NativeOp, NativeOpOptions, NativeOpShape } from '../../lib/addon/binding.ts';
import { loadAddon, native } from '../../lib/addon/load.ts';
import type { Machine } from '../../lib/bench/machine.ts';
import { benchOps, describeCase } from '../../lib/bench/op-bench.ts';
import { opCases, opModels, opRates, selectCases } from '../../lib/bench/op-shapes.ts';
import { BurgeonError, errorCodes } from '../../lib/errors.ts';

const { binding } = loadAddon();

/** Those of backends whose products take gathered weights. */
const compactOps = ['gather', 'gather_vector', 'scatter_add'] as const;
type CompactOp = (typeof compactOps)[number];
/** Of generation, and one that is another op on vectors. */
const unmeasured: NativeOp[] = ['cache_append', 'attention_cached', 'gather_vector'];

const machine = { peakGflops: 100, peakBf16Gflops: 200, copyGBs: 10 } as Machine;

/** Dimensions of every op, small and odd; each takes those it knows. */
const shape = { n: 30, rows: 42, activeRows: 28, blockRows: 7, cols: 19, sequence: 10, past: 5, heads: 3, headSize: 8 };
const product = 2 * 30 * 28 * 19;
const head = 2 * 30 * 42 * 19;
const triangle = 3 * 55 * 3 * 8; // 3 sequences, 10 * 11 / 2 pairs, 3 heads of 8

const flops: Record<Exclude<NativeOp, CompactOp>, number> = {
  expand: product,
  contract: product,
  input_gradient: product,
  weight_gradient: product,
  mlp_forward: product,
  mlp_backward: product,
  swiglu_forward: 2 * product,
  swiglu_backward: product,
  rotary: 0,
  attention_forward: 4 * triangle,
  attention_backward: 8 * triangle,
  cache_append: 0,
  attention_cached: 4 * (triangle + 30 * 5 * 3 * 8),
  head_forward: head,
  cross_entropy: 0,
  head_loss: head,
  head_input_gradient: head,
  head_weight_gradient: head,
  norm_forward: 0,
  norm_backward: 0,
  embedding_forward: 0,
  embedding_backward: 0,
  adamw: 0,
  muon: 2 * 5 * 19 * 19 * (28 + 19 + 28),
  sum_of_squares: 0,
};
const ops = Object.keys(flops) as Exclude<NativeOp, CompactOp>[];

const options = (changes: Partial<NativeOpOptions> = {}): NativeOpOptions => ({
  op: 'expand',
  backend: 'cpu',
  precision: 'float32',
  maxIsa: '',
  threads: 1,
  rounds: 2,
  cold: false,
  ...changes,
});

describe('the shapes of a model', () => {
  it.each(Object.entries(opModels))('%s: every op once, in whole heads and neurons', (_, model) => {
    const cases = opCases(model, true);
    const { isGated = false } = model as { isGated?: true };
    // Only where products take lists of rows.
    const isHosts = (op: NativeOp) => op === 'muon';
    const isOther = (op: NativeOp) =>
      isHosts(op) || (isGated ? /^mlp_/ : /^(swiglu_|rotary)/).test(op) || unmeasured.includes(op);
    expect(cases.map(({ op }) => op).sort()).toEqual([...ops, ...compactOps].filter((op) => !isOther(op)).sort());
    const hosts = opCases(model);
    expect(hosts.filter(({ op }) => isHosts(op))).toHaveLength(1);
    expect(hosts.filter(({ op }) => !isHosts(op))).toEqual(
      cases.filter(({ op }) => !compactOps.includes(op as CompactOp)),
    );
    for (const { op, variants } of cases) {
      expect(variants[0]!.rate).toBe(1);
      expect([1, opRates.length]).toContain(variants.length);
      const active = variants.map(({ shape }) => shape.activeRows ?? shape.heads ?? 0);
      expect(active, op).toEqual([...active].sort((a, b) => b - a));
      for (const { shape } of variants) {
        expect((shape.activeRows ?? 0) % (shape.blockRows ?? 1)).toBe(0);
        expect((shape.n ?? 0) % (shape.sequence ?? 1)).toBe(0);
      }
    }
  });

  it('follow the number of heads', () => {
    const expand = opCases(opModels.small).find(({ op }) => op === 'expand')!;
    expect(expand.variants[2]!.shape).toEqual({ n: 2048, rows: 1152, activeRows: 576, blockRows: 64, cols: 384 });
  });

  it('are chosen by name or first word', () => {
    const names = (name?: string) => selectCases(opCases(opModels.small), name).map(({ op }) => op);
    expect(names()).toEqual(opCases(opModels.small).map(({ op }) => op));
    expect(names('norm')).toEqual(['norm_forward', 'norm_backward']);
    expect(names('adamw')).toEqual(['adamw']);
    expect(() => names('nor')).toThrow(/^op: expected one of embedding_forward, .*, received "nor"$/);
  });
});

describe('a result', () => {
  it('has throughput, shares of the right peak, and skip efficiency', () => {
    const variants = [1, 0.5].map((rate) => ({ rate, shape: {} }));
    const timings = [
      { ms: [10, 20], copyMs: [4, 8], n: 1, flops: 1e9, bytes: 5, error: 0 },
      { ms: [6, 12], copyMs: [3, 6], n: 1, flops: 5e8, bytes: 3, error: 0 },
    ];
    const settings = { model: 'small', device: 'cpu', threads: 1, cold: true, machine } as const;
    const about = (op: NativeOp, precision: 'float32' | 'bf16') =>
      describeCase({ op, what: '', variants }, timings, { ...settings, precision });
    const [full, half] = about('expand', 'float32');
    expect(full!.skipEfficiency).toBeNull();
    expect(full!.shareOfPeak).toBeCloseTo(1e9 / 0.015 / 1e11);
    expect(half!.skipEfficiency).toBeCloseTo(0.8);
    expect(half!.key).toBe('small expand rate=0.5 float32 threads=1 cold');
    expect(about('expand', 'bf16')[0]!.shareOfPeak).toBeCloseTo(full!.shareOfPeak / 2);
  });

  it('names another vocabulary than that of the model, and says how many tokens were taken', () => {
    const variants = [{ rate: 1, shape: { n: 2048, rows: 81, cols: 384 } }];
    const timing = { ms: [1], copyMs: [], n: 512, flops: 1e6, bytes: 1, error: 0 };
    const settings = { model: 'small', precision: 'float32', device: 'cpu', threads: 1, cold: false, machine } as const;
    const about = (changes: object) =>
      describeCase({ op: 'head_forward', what: '', variants }, [timing], { ...settings, ...changes })[0]!;
    expect(about({ vocabSize: 81 })).toMatchObject({
      key: 'small V=81 head_forward rate=1 float32 threads=1 warm',
      shape: { n: 512, rows: 81, cols: 384 },
    });
    expect(about({ vocabSize: opModels.small.vocabSize }).key).toBe('small head_forward rate=1 float32 threads=1 warm');
  });

  it('without FLOPs is held against the copy of its rounds when cold, against that of the run when warm', () => {
    const variants = [{ rate: 1, shape: {} }];
    const timing = { ms: [10, 20], copyMs: [4, 10], n: 1, flops: 0, bytes: 3e6, error: 0 };
    const share = (cold: boolean) =>
      describeCase({ op: 'norm_forward', what: '', variants }, [timing], {
        model: 'small',
        precision: 'float32',
        device: 'cpu',
        threads: 1,
        cold,
        machine,
      })[0]!.shareOfPeak;
    expect(share(true)).toBeCloseTo(0.45);
    expect(share(false)).toBeCloseTo(3e6 / 15 / 1e6 / machine.copyGBs);
  });
});

describe('native runs', () => {
  it.each(ops)('of %s: verified, counted, timed; in both precisions', async (op) => {
    for (const precision of ['float32', 'bf16'] as const) {
      for (const maxIsa of ['', 'baseline']) {
        const timing = await binding.benchOp({ ...options({ op, precision, maxIsa, threads: 2 }), ...shape });
        expect(timing.ms).toHaveLength(2);
        for (const ms of timing.ms) expect(ms).toBeGreaterThanOrEqual(0);
        expect(timing.flops).toBe(flops[op]);
        expect(timing.bytes).toBeGreaterThan(0);
        expect(timing.error).toBeLessThan(precision === 'bf16' ? 3e-2 : 1e-4);
      }
    }
  });

  it('of several shapes take turns; all rows are active unless told otherwise', async () => {
    const { n, rows, cols } = shape;
    const timings = await binding.benchOpInTurn(options(), [{ n, rows, cols }, shape]);
    expect(timings.map((timing) => timing.flops)).toEqual([2 * 30 * 42 * 19, product]);
    // Operands and results once, and the list of the 28 rows.
    expect(timings.map((timing) => timing.bytes)).toEqual([
      4 * (30 * 19 + 42 * 19 + 42 + 30 * 42),
      4 * (30 * 19 + 28 * 19 + 28 + 30 * 28 + 28),
    ]);
  });

  it('of the commands are stopped by a signal', async () => {
    const settings = {
      model: 'small',
      precision: 'float32',
      device: 'cpu',
      threads: 1,
      rounds: 1,
      cold: false,
      machine,
    } as const;
    expect(await benchOps({ ...settings, op: 'norm', signal: AbortSignal.abort() })).toBeUndefined();
    const progress: string[] = [];
    const entries = await benchOps({ ...settings, op: 'norm', onProgress: (text) => progress.push(text) });
    expect(progress).toEqual(['norm_forward (1 of 2)', 'norm_backward (2 of 2)']);
    expect(entries!.map(({ op }) => op)).toEqual(['norm_forward', 'norm_backward']);
  });
});

describe('bad arguments', () => {
  const cases: [object, string, string][] = [
    [{ op: 'matmul' }, 'ERR_BURGEON_CONFIG', 'op: expected one of expand, contract, '],
    [{ precision: 'float64' }, 'ERR_BURGEON_CONFIG', 'precision: expected float32 or bf16, received float64'],
    [{ maxIsa: 'sse9' }, 'ERR_BURGEON_BACKEND', 'BURGEON_MAX_ISA: expected '],
    [{ threads: 0 }, 'ERR_BURGEON_CONFIG', 'threads: expected an integer in [1, 1024], received the number 0'],
    [{ rounds: 1e9 }, 'ERR_BURGEON_CONFIG', 'rounds: expected an integer in [1, 10000]'],
    [{ cold: 1 }, 'ERR_BURGEON_CONFIG', 'cold: expected a boolean'],
    [{ n: undefined }, 'ERR_BURGEON_CONFIG', 'n: expected an integer in [1, 16777216], received undefined'],
    [{ cols: 1.5 }, 'ERR_BURGEON_CONFIG', 'cols: expected an integer'],
    [{ activeRows: 43 }, 'ERR_BURGEON_SHAPE', 'expand: activeRows: expected at most the 42 rows, received 43'],
    [{ blockRows: 5 }, 'ERR_BURGEON_SHAPE', 'expand: blockRows: expected a divisor of rows (42) and activeRows (28)'],
    [{ op: 'attention_forward', sequence: 7 }, 'ERR_BURGEON_SHAPE', 'attention_forward: sequence: expected a divisor'],
    [{ n: 2 ** 24 }, 'ERR_BURGEON_OUT_OF_MEMORY', 'the operands of this measurement need '],
    [
      { n: 2 ** 20, rows: 2 ** 20, activeRows: 2 ** 20, blockRows: 1 },
      'ERR_BURGEON_SHAPE',
      'expand: expected at most 2 * 10^12',
    ],
  ];
  it.each(cases)('%j', async (change, code, message) => {
    const given = {
      ...options(),
      ...shape,
      ...((change as { n?: number }).n === 2 ** 24 ? { cols: 2 ** 11 } : {}),
      ...change,
    };
    const error = await native(() => binding.benchOp(given as never)).catch((reason) => reason);
    expect(error).toBeInstanceOf(BurgeonError);
    expect(error).toMatchObject({ code });
    expect(error.message).toContain(message);
    expect(error.message).not.toContain('\n');
  });

  it.each([
    ['none', undefined],
    ['an empty list', []],
    ['too many', new Array(17).fill(shape)],
    ['one that is none', [shape, 3]],
  ])('shapes: %s', async (_, shapes) => {
    const error = await native(() => binding.benchOpInTurn(options(), shapes as never)).catch((reason) => reason);
    expect(error).toBeInstanceOf(BurgeonError);
    expect(error.message).toMatch(/^shapes/);
  });

  it('of any kind: refused or measured', async () => {
    // Numbers are small or far too large: those between would be measured for long.
    const short = (value: unknown) => (typeof value === 'number' && value > 60 && value < 2 ** 25 ? value % 60 : value);
    const garbage = fc.oneof(
      fc.anything({ withBigInt: true, withTypedArray: true }).map(short),
      fc.integer({ min: -9, max: 60 }),
      fc.constantFrom(2 ** 25, 2 ** 31, 2 ** 53, 1e308, 0.5),
    );
    const keys = [...Object.keys(options()), ...Object.keys(shape)];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...ops), fc.constantFrom(...keys), garbage, async (op, key, value) => {
        const given = { ...options({ op }), ...shape, [key]: value } as NativeOpOptions & NativeOpShape;
        try {
          await native(() => binding.benchOp(given));
        } catch (error) {
          expect(errorCodes).toContain((error as BurgeonError).code);
        }
      }),
      { numRuns: 300 },
    );
  });
});
