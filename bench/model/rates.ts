// Is skipping real? A whole optimizer step at rates 1, 0.75, 0.5 and 0.25 and at the stages of the EST schedule:
// executed FLOPs against time, in turn in one run. One group with `freeze` (nothing but the subnetwork is touched) and
// the defaults (4 groups, zero-grad).

import { facts, percent, table } from '../../lib/cli/format.ts';
import type { ModelConfig } from '../../lib/config/model-config.ts';
import { allFlops, blockFlops, countFlops } from '../../lib/est/flops.ts';
import { type Rates, sampleSubnetwork } from '../../lib/est/sampler.ts';
import { chooseThreads, Model } from '../../lib/model/model.ts';
import { describeMachine } from '../harness/machine.ts';
import { saveResults } from '../harness/results.ts';
import { timeInTurn } from '../harness/timing.ts';

const config: ModelConfig = {
  architecture: 'gpt2',
  nLayer: 6,
  nHead: 6,
  nEmbd: 384,
  nInner: 1536,
  contextLength: 256,
  vocabSize: 65,
  layerNormEpsilon: 1e-5,
};
const batchSize = 8;
const sequenceLength = 256;

interface Variant {
  name: string;
  rates: Rates;
  groups: number;
  inactive: 'freeze' | 'zero-grad';
}

const dense = { heads: 1, neurons: 1, layers: 1 };
const rateSets: [string, Rates][] = [
  ['0.75', { heads: 0.75, neurons: 0.75, layers: 0.75 }],
  ['0.5 (stage 1)', { heads: 0.5, neurons: 0.5, layers: 0.5 }],
  ['0.25', { heads: 0.25, neurons: 0.25, layers: 0.25 }],
  ['stage 2', { heads: 0.5, neurons: 0.5, layers: 1 }],
];
const variants: Variant[] = [
  { name: 'dense', rates: dense, groups: 1, inactive: 'freeze' },
  ...rateSets.map(([name, rates]) => ({ name, rates, groups: 1, inactive: 'freeze' as const })),
  ...rateSets.map(([name, rates]) => ({ name, rates, groups: 4, inactive: 'zero-grad' as const })),
];

export async function benchRates(rounds: number): Promise<void> {
  const threads = chooseThreads();
  const machine = await describeMachine(threads);
  using model = await Model.create(config, { threads });
  const tokens = Int32Array.from({ length: batchSize * sequenceLength }, (_, i) => (i * 7919) % config.vocabSize);
  let step = 0;

  /** Forward, backward and update as the trainer does them; sampling included. */
  async function optimizerStep({ rates, groups, inactive }: Variant) {
    step++;
    const start = performance.now();
    let all = 0;
    let block = 0;
    for (let group = 0; group < groups; group++) {
      const rows = batchSize / groups;
      const subnetwork = sampleSubnetwork({ ...config, rates }, { seed: 1, step, group });
      const part = tokens.subarray(0, rows * sequenceLength);
      const options = { batchSize: rows, subnetwork, weight: 1 / groups };
      const { forwardFlops, backwardFlops } = await model.forwardBackward(part, part, options);
      all += allFlops(forwardFlops) + allFlops(backwardFlops);
      block += blockFlops(forwardFlops) + blockFlops(backwardFlops);
    }
    await model.optimizerStep({ lr: 1e-5, gradientClip: 1, weightDecay: 0.1, inactive });
    return { ms: performance.now() - start, all, block };
  }

  // Verified before it is timed: what the kernels executed is what the ledger says.
  const denseFlops = countFlops(config, { batchSize, sequenceLength });
  const executed: { all: number; block: number }[] = [];
  for (const variant of variants) executed.push(await optimizerStep(variant));
  if (executed[0]!.all !== allFlops(denseFlops))
    throw new Error('the dense step executed other FLOPs than the ledger counts');

  const timings = await timeInTurn(
    variants.map((variant) => async () => (await optimizerStep(variant)).ms),
    rounds,
  );
  const results = variants.map((variant, i) => {
    const timing = timings[i]!;
    const allRatio = executed[i]!.all / executed[0]!.all;
    return {
      ...variant,
      ...timing,
      blockFlopRatio: executed[i]!.block / executed[0]!.block,
      allFlopRatio: allRatio,
      timeRatio: timing.ratio,
      skipEfficiency: i === 0 ? 1 : (1 - timing.ratio) / (1 - allRatio),
      gflops: executed[i]!.all / timing.median / 1e6,
      shareOfPeak: executed[i]!.all / timing.median / 1e6 / machine.peakGflops,
    };
  });
  console.log(`\n6 layers, 6 heads, width 384, T 256, B 8, V 65; ${rounds} rounds in turn, caches warm\n`);
  console.log(
    table([
      ['rates', 'groups', 'inactive', 'ms', 'all FLOPs', 'time', 'quartiles', 'skip efficiency', 'of peak'],
      ...results.map((row) => [
        row.name,
        String(row.groups),
        row.inactive,
        row.median.toFixed(1),
        percent(row.allFlopRatio),
        percent(row.timeRatio),
        row.ratioQuartiles.map((ratio) => percent(ratio)).join(' .. '),
        row.skipEfficiency.toFixed(3),
        percent(row.shareOfPeak, 0),
      ]),
    ]),
  );
  console.log(`\n${facts(Object.entries(machine).map(([name, value]) => [name, String(value)] as const))}`);
  await saveResults('model-rates', machine, results);
}
