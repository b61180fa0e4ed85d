// Growth against an independent implementation: every weight and moment after stacking and splitting, to the last bit
// (test/golden/make_golden_growth.py).

import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { architectureOf } from '../../lib/config/architecture.ts';
import type { ModelConfig } from '../../lib/config/model-config.ts';
import type { Part } from '../../lib/est/part.ts';
import type { Transition } from '../../lib/est/transition.ts';
import { Model } from '../../lib/model/model.ts';
import { readGolden, readGoldenJson } from '../helpers/golden.ts';

interface GrowthCase {
  name: string;
  start: string;
  from: Sizes;
  to: Sizes;
  transition: Transition;
  tensors: Record<string, string>;
}
interface Sizes {
  layers: number;
  heads?: number;
  neurons?: number;
}

const { cases } = (await readGoldenJson('growth')) as { cases: GrowthCase[] };

test.each(cases.map((golden) => [golden.name, golden] as const))('%s', async (_, golden) => {
  const { config, parameters } = await readGolden(golden.start);
  using model = await Model.create(config, { threads: 1 });
  const names = [...parameters.keys()].sort();
  expect(names).toEqual([...model.tensorNames].sort());
  for (const [position, name] of names.entries()) {
    await model.setParameter(name, parameters.get(name)!);
    for (const which of ['m', 'v'] as const) {
      const offset = 977 * position + (which === 'v' ? 13 : 0);
      const made = parameters
        .get(name)!
        .map((_, i) => ((i * 40503 + offset) % 65536) / 65536 - (which === 'm' ? 0.5 : 0));
      await model.setMoment(name, which, made);
    }
  }
  await model.grow({ from: partOf(config, golden.from), to: partOf(config, golden.to), transition: golden.transition });
  const hashes: Record<string, string> = {};
  for (const name of names) {
    hashes[`weight ${name}`] = hash(await model.parameter(name));
    for (const which of ['m', 'v'] as const) hashes[`${which} ${name}`] = hash(await model.moment(name, which));
  }
  expect(hashes).toEqual(golden.tensors);
});

function partOf(config: ModelConfig, { layers, heads, neurons }: Sizes): Part {
  const each = (count: number) => Array.from({ length: config.nLayer }, (_, layer) => (layer < layers ? count : 0));
  return { layers, heads: each(heads ?? architectureOf(config).nKvHead), neurons: each(neurons ?? config.nInner) };
}

function hash(values: ArrayLike<number>): string {
  const bytes = Buffer.from(Float32Array.from(values).buffer);
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}
