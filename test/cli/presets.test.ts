// burgeon presets: the sizes it tells are those of the models.

import { describe, expect, test } from 'vitest';
import { parseModelConfig } from '../../lib/config/model-config.ts';
import { modelPresetNames } from '../../lib/config/presets.ts';
import { countParameters } from '../../lib/est/parameters.ts';
import { scheduleNames } from '../../lib/est/schedule.ts';
import { burgeon } from '../helpers/cli.ts';

const text = (await burgeon(['presets'])).stdout;
const presets = JSON.parse((await burgeon(['presets', '--json'])).stdout);

describe('models', () => {
  test('all of them', () => {
    expect(presets.models.map(({ name }: { name: string }) => name)).toEqual(modelPresetNames);
  });

  test.each(modelPresetNames)('%s', (name) => {
    const row = presets.models.find((each: { name: string }) => each.name === name);
    const vocabSize = row.vocabSize ?? 12_345;
    const model = parseModelConfig({ preset: name }, vocabSize);
    expect(row.parameters + row.parametersPerToken * vocabSize).toBe(countParameters(model).total);
    const { nLayer, nHead, nEmbd, contextLength } = model;
    expect(row).toMatchObject({ nLayer, nHead, nEmbd, contextLength });
    expect(text).toMatch(
      new RegExp(`^  ${name.replace('.', '\\.')} +[\\d.]+ [kMG].* ${nEmbd} +${contextLength} `, 'm'),
    );
  });
});

test('sizes that people know', () => {
  expect(text).toMatch(/^ {2}gpt2 +124 M +12 +12 +768 +1024 +50257$/m);
  expect(text).toMatch(/^ {2}tinyllama-1\.1b +1\.10 G +22 +32 \(4 kv\) +2048 /m);
});

test('schedules, with what they cost', () => {
  expect(presets.schedules.map(({ name }: { name: string }) => name)).toEqual(scheduleNames);
  expect(text).toMatch(/^ {2}stack-4 +70 % {2}a quarter of the layers/m);
  expect(text).toMatch(/^ {2}dense +100 % /m);
});

test('configurations that train and sweep find', () => {
  expect(presets.configurations).toContain('shakespeare-char');
  expect(presets.sweeps).toEqual(['learning-rate']);
});

test('fits a terminal', () => {
  for (const line of text.split('\n')) expect(line.length).toBeLessThan(100);
});
