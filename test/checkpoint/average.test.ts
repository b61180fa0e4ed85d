// The mean of the newest checkpoints of a run: exact, of the right ones, and refused where they do not go together.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { openAverage } from '../../lib/checkpoint/average.ts';
import { writeCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { listTensors } from '../../lib/config/tensors.ts';
import { temporaryDirectory, tinyContents, tinyModel, values } from './helpers.ts';

async function newRun(seeds: readonly number[]): Promise<string> {
  const run = await temporaryDirectory();
  for (const [i, seed] of seeds.entries()) await writeCheckpoint(run, i + 1, tinyContents(seed));
  return run;
}

test('is that of the weights of the newest, and the newest checkpoint otherwise', async () => {
  const run = await newRun([1000, 4, 6, 2]);
  const average = await openAverage(run, 3);
  expect(average.steps).toEqual([2, 3, 4]);
  expect(average.directory).toBe(path.join(run, 'checkpoint-00000004'));
  expect(average.model).toEqual(tinyModel);
  for (const { name } of listTensors(tinyModel)) {
    // Values are the seed and something that all have in common.
    expect(await average.readTensor(name)).toEqual(values(name, 'w', 4));
  }
  await average.close();
  const one = await openAverage(run, 1);
  expect(await one.readTensor('wte.weight')).toEqual(values('wte.weight', 'w', 2));
  await one.close();
});

test('is refused where there are fewer, or one is damaged', async () => {
  const run = await newRun([1, 2]);
  await expect(openAverage(run, 3)).rejects.toMatchObject({
    code: 'ERR_BURGEON_CHECKPOINT',
    message: `${run}: expected a run with 3 checkpoints or more to average, found 2; give a smaller number, or keep more of the next run (checkpoint.every, checkpoint.keepLast)`,
  });
  await expect(openAverage(path.join(run, 'nowhere'), 1)).rejects.toThrow('found 0;');
  const config = path.join(run, 'checkpoint-00000001', 'generation_config.json');
  await writeFile(config, ' '.repeat(10));
  await expect(openAverage(run, 2)).rejects.toMatchObject({ code: 'ERR_BURGEON_CHECKPOINT' });
});

test('is refused of another model', async () => {
  const run = await newRun([1]);
  const model = { ...tinyModel, layerNormEpsilon: 1e-6 };
  await writeCheckpoint(run, 2, tinyContents(2, { model }));
  await expect(openAverage(run, 2)).rejects.toThrow(
    `checkpoint-00000001: expected a model as in ${path.join(run, 'checkpoint-00000002')}, found another`,
  );
});
