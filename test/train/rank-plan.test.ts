// Bytes that ranks exchange: what is counted before, against what goes over the connection; what is expected of a stage,
// against the mean of many steps.
import { describe, expect, test } from 'vitest';
import { type ModelConfig, parseModelConfig } from '../../lib/config/model-config.ts';
import { arrayElements } from '../../lib/est/union.ts';
import { Model } from '../../lib/model/model.ts';
import { planMemory } from '../../lib/model/native-options.ts';
import { sentInStep } from '../../lib/ranks/sent-bytes.ts';
import { foldsOf, shareOf } from '../../lib/ranks/shares.ts';
import { exchangeStep, requireSameNorm } from '../../lib/train/exchange.ts';
import { planRanks, stepExchange, totalOf } from '../../lib/train/rank-plan.ts';
import { StepPlanner } from '../../lib/train/step-planner.ts';
import { parseTrainConfig, type TrainConfig } from '../../lib/train/train-config.ts';
import { countedRanks } from '../ranks/relay.ts';

const gpt2 = parseModelConfig({ nLayer: 4, nHead: 4, nEmbd: 32, nInner: 50, contextLength: 8, vocabSize: 31 });
const llama = parseModelConfig({
  ...{ architecture: 'llama', nLayer: 4, nHead: 4, nKvHead: 2, nEmbd: 32, nInner: 48, contextLength: 8, vocabSize: 31 },
  ...{ tiedHead: false },
});
// Heads so narrow, and biases of single neurons, that rows lie nearer to each other than what is moved as one.
const biased = parseModelConfig({
  ...{ architecture: 'llama', nLayer: 3, nHead: 6, nKvHead: 3, headSize: 4, nEmbd: 24, nInner: 70, contextLength: 8 },
  ...{ vocabSize: 31, attentionBias: true, mlpBias: true },
});

const first = { choose: 'first' };
const cases: [name: string, model: ModelConfig, est: object][] = [
  ['dense', gpt2, { schedule: 'dense' }],
  ['drawn, GPT-2', gpt2, { schedule: 'est-gpt2' }],
  ['drawn, Llama, an output head of its own', llama, { schedule: 'est-gpt2', groupsPerStep: 'sequence' }],
  ['drawn, biases and narrow heads', biased, { schedule: 'est-gpt2', groupsPerStep: 2 }],
  ['query heads', llama, { schedule: [{ heads: 0.5, neurons: 0.3 }], headSampling: 'query', groupsPerStep: 1 }],
  ['nested in depth', llama, { schedule: [{ layers: 0.5, ...first }] }],
  ['nested in width', gpt2, { schedule: [{ heads: 0.5, neurons: 0.5, layers: 0.75, ...first }] }],
];

function configOf(model: ModelConfig, est: object, accumulationSteps = 4): TrainConfig {
  return parseTrainConfig({
    model,
    output: 'run',
    steps: 4,
    batchSize: 2,
    accumulationSteps,
    sequenceLength: 8,
    est,
  });
}

/** Does a step of all ranks as train-step.ts does, on made-up tokens. */
async function step(models: Model[], planner: StepPlanner, ranks: Parameters<typeof exchangeStep>[0][], at: number) {
  const { batchSize, accumulationSteps, trainedSubnetwork: trained } = planner.at(at);
  await Promise.all(
    ranks.map(async (communicator, rank) => {
      const model = models[rank]!;
      const { first: own, count } = shareOf(accumulationSteps, communicator);
      for (const [micro, fold] of foldsOf(accumulationSteps, communicator).entries()) {
        const tokens = Int32Array.from({ length: batchSize * 8 }, (_, i) => (i * 7 + own + micro) % 31);
        const groups = planner.groups(at, own + micro);
        await model.accumulate(tokens, tokens, { batchSize, groups, weight: 1 / accumulationSteps });
        if (count > 1) await model.foldGradients(fold);
      }
      const share = { first: own, isStopped: false, blockFlops: 0, allFlops: 0 };
      await exchangeStep(communicator, model, share, accumulationSteps);
      const { gradientNorm } = await model.optimizerStep({ lr: 1e-3, trained }, communicator);
      await requireSameNorm(communicator, gradientNorm);
    }),
  );
}

describe('bytes of given steps are those that rank 0 sends and receives', () => {
  // Of 6 micro-batches two ranks have sums of one and of two each, three have sums of two.
  const deals = [
    [2, 4],
    [4, 4],
    [3, 6],
    [2, 6],
  ] as const;
  test.each(cases.flatMap((each) => deals.map((deal) => [...deal, ...each] as const)))(
    '%i ranks, %i micro-batches, %s',
    async (size, microBatches, _, model, est) => {
      const config = configOf(model, est, microBatches);
      const planner = new StepPlanner(model, config);
      const connected = await countedRanks(size);
      const models = await Promise.all(connected.ranks.map(() => Model.create(model, { seed: 1, threads: 1 })));
      try {
        for (const at of [0, 1, 3]) {
          const before = connected.ofFirst();
          await step(models, planner, connected.ranks, at);
          const after = connected.ofFirst();
          const ofRank = (rank: number) =>
            totalOf(stepExchange(model, planner, at, { rank, size }, config.optimizer).sent);
          expect(after.sent - before.sent).toBe(ofRank(0));
          if (size === 2) expect(after.received - before.received).toBe(ofRank(1));
        }
      } finally {
        for (const each of models) each[Symbol.dispose]();
        connected.close();
      }
    },
  );
});

const divided = cases.flatMap((each) => [4, 6].map((microBatches) => [microBatches, ...each] as const));
test.each(divided)(
  'where the update is divided, two ranks exchange twice their mean: %i, %s',
  async (microBatches, _, model, est) => {
    const planner = new StepPlanner(model, configOf(model, est, microBatches));
    const connected = await countedRanks(2);
    const shards = [0, 1].map((rank) => ({ rank, size: 2 }));
    const models = await Promise.all(shards.map((shard) => Model.create(model, { seed: 1, threads: 1, shard })));
    try {
      for (const at of [0, 1, 3]) {
        const before = connected.ofFirst();
        await step(models, planner, connected.ranks, at);
        const after = connected.ofFirst();
        const update = { shard: true, inactive: 'zero-grad' } as const;
        const { sent } = stepExchange(model, planner, at, { rank: 0, size: 2 }, update);
        const odd = Math.abs(after.sent - before.sent + after.received - before.received - 2 * totalOf(sent));
        expect(odd).toBe(0);
      }
    } finally {
      for (const each of models) each[Symbol.dispose]();
      connected.close();
    }
  },
);

describe('a plan', () => {
  test.each(cases)('expects the mean over the draws: %s', (_, model, est) => {
    const config = configOf(model, est);
    const [stage] = planRanks(model, config, 2);
    const planner = new StepPlanner(model, { ...config, steps: 2000 });
    const steps = Array.from(
      { length: 100 },
      (_, at) => stepExchange(model, planner, at, { rank: 0, size: 2 }, config.optimizer).sent,
    );
    const mean = steps.reduce((sum, { gradients }) => sum + gradients, 0) / steps.length;
    // What comes along between tensors and rows makes more of a model as small as this.
    expect(stage!.sentFrom.gradients / mean).toBeGreaterThan(0.96);
    expect(stage!.sentFrom.gradients / mean).toBeLessThan(1.02);
    expect(stage!.sentFrom).toMatchObject({ flags: steps[0]!.flags, numbers: steps[0]!.numbers });
  });

  test('follows ramps, and stages with micro-batches of their own', () => {
    const schedule = [
      { endStep: 2, layers: 0.5, choose: 'first', batchSize: 4 },
      { layers: [0.5, 1], choose: 'first' },
    ];
    const [nested, ramp] = planRanks(gpt2, configOf(gpt2, { schedule }), 2);
    expect(nested).toMatchObject({ stage: 1, microBatches: 2, groups: 1, sums: 0 });
    expect(nested!.sentTo).toEqual(nested!.sentFrom);
    expect(ramp).toMatchObject({ stage: 2, microBatches: 4, sums: 4 * arrayElements(gpt2) });
    expect(ramp!.sentFrom.gradients).toBe(nested!.sentFrom.gradients);
    expect(ramp!.sentTo.gradients).toBe(4 * arrayElements(gpt2));
    // Room for both parts of a half, and for what is sent and received of it.
    expect(ramp!.buffers).toBe(8 * arrayElements(gpt2));
  });

  test('divides moments and update: as many bytes of weights as change', () => {
    const config = (inactive: string, est: object) => {
      const { minLearningRate: _, ...optimizer } = configOf(gpt2, est).optimizer;
      return parseTrainConfig({ ...configOf(gpt2, est), optimizer: { ...optimizer, shard: true, inactive } });
    };
    const [dense] = planRanks(gpt2, config('zero-grad', { schedule: 'dense' }), 4);
    expect(dense!.sentFrom.gradients).toBe(dense!.sentFrom.weights);
    const drawn = { schedule: [{ heads: 0.5, neurons: 0.5 }], groupsPerStep: 1 };
    const [zeroed] = planRanks(gpt2, config('zero-grad', drawn), 4);
    const [frozen] = planRanks(gpt2, config('freeze', drawn), 4);
    expect(zeroed!.sentFrom.weights).toBe(dense!.sentFrom.weights);
    expect(frozen!.sentFrom.weights).toBe(frozen!.sentFrom.gradients);
    expect(frozen!.sentFrom.gradients).toBe(zeroed!.sentFrom.gradients);
    const [nested] = planRanks(gpt2, config('zero-grad', { schedule: [{ layers: 0.5, ...first }] }), 4);
    expect(nested!.sentFrom.weights).toBe(nested!.sentFrom.gradients);
    expect(nested!.buffers).toBe((2 * 4 * nested!.sentFrom.gradients) / 3);
  });

  test('an array of gradients is as large as the engine says', () => {
    for (const model of [gpt2, llama, biased]) {
      expect(4 * arrayElements(model)).toBe(planMemory(model, 1, 8, { device: 'cpu' }).gradients);
    }
  });

  test('one rank sends nothing; micro-batches that cannot be dealt are refused as in training', () => {
    const config = configOf(gpt2, { schedule: 'dense' });
    const [alone] = planRanks(gpt2, config, 1);
    expect(alone).toMatchObject({ sentFrom: { gradients: 0, flags: 0, numbers: 0 }, buffers: 0 });
    expect(sentInStep({ elements: 10, flags: 3, microBatches: 1 }, { rank: 0, size: 1 }).gradients).toBe(0);
    expect(() => planRanks(gpt2, config, 8)).toThrow(
      '8 ranks: expected a number of micro-batches per step (accumulationSteps) that 8 divides, found 4',
    );
  });
});
