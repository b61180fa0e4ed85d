// Ids of special tokens: what a directory says of them is what the next one says, and where text ends.

import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readCheckpoint, writeCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { readModelDirectory, writeModelDirectory } from '../../lib/checkpoint/model-directory.ts';
import { newSpecialIds, readSpecialIds, stopIds } from '../../lib/checkpoint/special-ids.ts';
import { subnetworkContents } from '../../lib/checkpoint/subnetwork-contents.ts';
import { Model } from '../../lib/model/model.ts';
import { temporaryDirectory, tinyContents } from './helpers.ts';

type Json = Record<string, unknown>;

const cases: [string, Json, Json | undefined][] = [
  ['bos 1 and eos 2', { bos_token_id: 1, eos_token_id: 2 }, undefined],
  [
    'several ends',
    { bos_token_id: 1, eos_token_id: [2, 5], pad_token_id: 0 },
    { eos_token_id: [2, 5, 6], temperature: 0.6 },
  ],
  ['nulls', { bos_token_id: null, eos_token_id: null }, { bos_token_id: null, eos_token_id: null }],
  ['nothing', {}, undefined],
  [
    'more of them',
    { eos_token_id: 3, decoder_start_token_id: 4, pad_token_id: -1 },
    { _from_model_config: true, eos_token_id: 3 },
  ],
];

/** A directory with just these ids. */
async function directoryWith(ids: Json, generation: Json | undefined): Promise<string> {
  const directory = join(await temporaryDirectory(), 'source');
  await writeModelDirectory(directory, tinyContents(1));
  const { bos_token_id: _, eos_token_id: __, ...config } = await readJson(directory, 'config.json');
  await writeFile(join(directory, 'config.json'), JSON.stringify({ ...config, ...ids }));
  const file = join(directory, 'generation_config.json');
  await rm(file);
  if (generation) await writeFile(file, JSON.stringify(generation));
  await writeFile(join(directory, 'chat_template.jinja'), '{{ messages }}\n');
  return directory;
}

async function readJson(directory: string, name: string): Promise<Json> {
  return JSON.parse(await readFile(join(directory, name), 'utf8'));
}

async function expectIds(directory: string, ids: Json, generation: Json | undefined): Promise<void> {
  const config = await readJson(directory, 'config.json');
  expect(Object.fromEntries(Object.entries(config).filter(([key]) => key.endsWith('_token_id')))).toEqual(ids);
  const hasFile = (await readdir(directory)).includes('generation_config.json');
  expect(hasFile ? await readJson(directory, 'generation_config.json') : undefined).toEqual(generation);
  expect(await readFile(join(directory, 'chat_template.jinja'), 'utf8')).toBe('{{ messages }}\n');
}

describe.each(cases)('%s', (_, ids, generation) => {
  test('are the same when written again, whole or in part', async () => {
    const source = await readModelDirectory(await directoryWith(ids, generation));
    const target = join(await temporaryDirectory(), 'target');
    await writeModelDirectory(target, source);
    await expectIds(target, ids, generation);
    await writeModelDirectory(target, subnetworkContents(source, { layers: Int32Array.of(1) }));
    await expectIds(target, ids, generation);
    await source.close();
  });

  test('are the same through a model and its checkpoints', async () => {
    using model = await Model.load(await directoryWith(ids, generation), { threads: 1 });
    const parent = await temporaryDirectory();
    await model.save(join(parent, 'saved'));
    await expectIds(join(parent, 'saved'), ids, generation);
    await mkdir(join(parent, 'run'));
    const directory = await writeCheckpoint(join(parent, 'run'), 3, { ...tinyContents(1), ...model.contents() });
    await expectIds(directory, ids, generation);
    const checkpoint = await readCheckpoint(directory);
    using resumed = await Model.fromContents(checkpoint, { threads: 1 });
    await checkpoint.close();
    await resumed.save(join(parent, 'again'));
    await expectIds(join(parent, 'again'), ids, generation);
  });
});

test('of a new model say that its end of text is all it has', async () => {
  const directory = join(await temporaryDirectory(), 'new');
  const ids = { bos_token_id: 6, eos_token_id: 6 };
  await writeModelDirectory(
    directory,
    tinyContents(1, { endOfText: 6, tokenizerFiles: { 'chat_template.jinja': '{{ messages }}\n' } }),
  );
  await expectIds(directory, ids, ids);
  expect(newSpecialIds(undefined).config).toEqual({ bos_token_id: null, eos_token_id: null });
});

test('a damaged generation_config.json is named', async () => {
  const directory = await directoryWith({}, {});
  await writeFile(join(directory, 'generation_config.json'), '{');
  await expect(readModelDirectory(directory)).rejects.toMatchObject({
    code: 'ERR_BURGEON_CHECKPOINT',
    message: expect.stringContaining('generation_config.json'),
  });
});

test.each<[Json, Json | undefined, number[]]>([
  [{ eos_token_id: 2 }, undefined, [2]],
  [{ eos_token_id: [2, 5] }, undefined, [2, 5]],
  [{ eos_token_id: 2 }, { eos_token_id: [3, 4] }, [3, 4]],
  [{ eos_token_id: 2 }, { temperature: 1 }, [2]],
  [{ eos_token_id: 2 }, { eos_token_id: null }, [2]],
  [{ eos_token_id: null }, undefined, []],
  [{ eos_token_id: ['2', 1.5, 3] }, undefined, [3]],
  [{}, {}, []],
])('text ends, by %j and %j, at %j', (config, generation, expected) => {
  expect(stopIds(readSpecialIds(config, generation))).toEqual(expected);
});
