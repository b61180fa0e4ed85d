// Runs that start from the weights of another model.

import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { writeLlmc } from '../../lib/checkpoint/llmc.ts';
import { writeModelDirectory } from '../../lib/checkpoint/model-directory.ts';
import { Model } from '../../lib/model/model.ts';
import { prepare } from '../../lib/prepare/prepare.ts';
import { createTokenizer, readTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import { loadTrainConfig } from '../../lib/train/load-train-config.ts';
import type { TrainerOptions } from '../../lib/train/trainer.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { allParameters, fingerprints, roughen, smallLlama } from '../helpers/models.ts';
import { kinds } from '../tokenizer/kinds.ts';
import { makeKind } from '../tokenizer/tokens-of.ts';
import { prepareText, type Settings, someText, tinyConfig, train, trainerOf, trainUntil } from './helpers.ts';

const vocabSize = new Set(someText()).size;
const model = { preset: 'gpt2-tiny', nEmbd: 32, contextLength: 16 } as const;
let data: string;
/** A directory with a trained run, \`run\`. */
let home: string;
let trained: Record<string, string>;

beforeAll(async () => {
  const prepared = await prepareText();
  data = prepared.data;
  home = path.dirname(data);
  await train(tinyConfig(data, path.join(home, 'run'), { steps: 4 }));
  trained = await weightsOf(path.join(home, 'run/checkpoint-00000004'));
  return prepared.remove;
});

async function weightsOf(source: string): Promise<Record<string, string>> {
  using loaded = await Model.load(source, { threads: 1 });
  return fingerprints(await allParameters(loaded));
}

async function config(overrides: Settings = {}): Promise<Settings & { output: string }> {
  const output = path.join(await temporaryDirectory(), 'next');
  return { ...tinyConfig(data, output, { initFrom: path.join(home, 'run'), seed: 8, ...overrides }), output };
}

async function refusal(settings: Settings, options: TrainerOptions = {}) {
  await using trainer = trainerOf(settings, options);
  return trainer.open().then(
    () => undefined,
    (error: unknown) => error as Error & { code: string },
  );
}

describe('a run with initFrom', () => {
  test('begins with exactly those weights, and a fresh optimizer', async () => {
    await using trainer = trainerOf(await config());
    await trainer.open();
    expect(fingerprints(await allParameters(trainer.model))).toEqual(trained);
    expect([trainer.step, trainer.model.optimizerSteps]).toEqual([0, 0]);
    for (const name of trainer.model.tensorNames) {
      for (const which of ['m', 'v'] as const) {
        expect((await trainer.model.moment(name, which)).every((value) => value === 0)).toBe(true);
      }
    }
    expect(trainer.model.config).toMatchObject({ vocabSize });
    expect(trainer.model.tokenizerFiles).toHaveProperty('burgeon_tokenizer.json');
    const { initialValidationLoss } = trainer.summary;
    await using fresh = trainerOf({ ...(await config()), initFrom: undefined });
    await fresh.open();
    expect(initialValidationLoss).toBeLessThan(fresh.summary.initialValidationLoss!);
  });

  test('takes a checkpoint, a model directory and a file of llm.c', async () => {
    const directory = await temporaryDirectory();
    const checkpoint = await readCheckpoint(path.join(home, 'run/checkpoint-00000004'));
    await writeModelDirectory(path.join(directory, 'plain'), { ...checkpoint, tokenizerFiles: {} });
    await writeLlmc(path.join(directory, 'model.bin'), checkpoint, 'F32');
    await checkpoint.close();
    for (const initFrom of [checkpoint.directory, path.join(directory, 'plain'), path.join(directory, 'model.bin')]) {
      await using trainer = trainerOf(await config({ initFrom }));
      await trainer.open();
      expect(fingerprints(await allParameters(trainer.model)), initFrom).toEqual(trained);
      // What the model does not say, the data do.
      expect(trainer.model.tokenizerFiles).toHaveProperty('burgeon_tokenizer.json');
    }
  });

  test('interrupted, is resumed to the same bits, without the model it began with', async () => {
    const initFrom = path.join(await temporaryDirectory(), 'copy');
    await cp(path.join(home, 'run/checkpoint-00000004'), initFrom, { recursive: true });
    const whole = await train(await config({ initFrom }));
    const settings = await config({ initFrom });
    await trainUntil(5, settings);
    await rm(initFrom, { recursive: true });
    const rest = await train(settings, { start: 'resume' });
    expect(rest.fingerprint).toEqual(whole.fingerprint);
    const last = await readCheckpoint(path.join(settings.output, 'checkpoint-00000015'));
    await last.close();
    expect(last.state.config).toMatchObject({ initFrom });
    expect(await refusal({ ...settings, initFrom: 'other' }, { start: 'resume' })).toMatchObject({
      code: 'ERR_BURGEON_CONFIG',
      message: expect.stringContaining(`initFrom: the run has ${JSON.stringify(initFrom)}, the configuration "other"`),
    });
  });

  test("keeps the model's tokenizer files and special ids as they are, also when resumed", async () => {
    const directory = await temporaryDirectory();
    const source = path.join(directory, 'source');
    const { 'burgeon_tokenizer.json': _, ...files } = makeKind(kinds['byte-level BPE, added tokens']!).files();
    const more = { 'tokenizer_config.json': '{"eos_token": "</s>"}', 'chat_template.jinja': '{{ messages }}\n' };
    const specialIds = {
      config: { bos_token_id: 1, eos_token_id: [1, 2] },
      generation: { eos_token_id: [1, 2], top_k: 3 },
    };
    const tokenizerFiles = { ...files, ...more, 'tokenizer_extra.json': '{}' };
    using created = await Model.create({ ...model, vocabSize: 400 }, { threads: 1 });
    await writeModelDirectory(source, { ...created.contents(), tokenizerFiles, specialIds });
    await writeFile(path.join(directory, 'text.txt'), someText());
    const prepared = path.join(directory, 'data');
    await prepare({
      inputs: [path.join(directory, 'text.txt')],
      output: prepared,
      tokenizer: await readTokenizer(source),
    });
    const settings = await config({ initFrom: source, data: { directory: prepared }, model, steps: 4 });
    await trainUntil(2, settings);
    await train(settings, { start: 'resume' });
    const last = await readCheckpoint(path.join(settings.output, 'checkpoint-00000004'));
    await last.close();
    expect(last.tokenizerFiles).toMatchObject(tokenizerFiles);
    expect(Object.keys(last.tokenizerFiles)).toHaveLength(Object.keys(tokenizerFiles).length + 1);
    expect(last.specialIds).toEqual(specialIds);
  });

  test('from a Llama with a larger vocabulary keeps it', async () => {
    const source = path.join(await temporaryDirectory(), 'llama');
    using llama = await Model.create(smallLlama(), { threads: 1 });
    await roughen(llama);
    await llama.save(source);
    const { vocabSize: _, ...shape } = llama.config;
    await using trainer = trainerOf(await config({ initFrom: source, model: shape }));
    await trainer.open();
    expect(trainer.model.config).toEqual(llama.config);
  });
});

describe('is refused, and nothing is written', () => {
  async function expectRefusal(overrides: Settings, code: string, message: string | RegExp, options?: TrainerOptions) {
    const settings = await config(overrides);
    const error = await refusal(settings, options);
    expect(error?.message).toMatch(message);
    expect(error).toMatchObject({ code });
    expect(await readdir(path.dirname(settings.output))).toEqual([]);
  }

  test('where the model is not that of the configuration', async () => {
    await expectRefusal(
      { model: { ...model, nLayer: 3, nInner: 100, vocabSize: 40 } },
      'ERR_BURGEON_CONFIG',
      new RegExp(
        'run: expected the model of the configuration, found another:\\n' +
          `  model.vocabSize: the configuration has 40, the model ${vocabSize}\\n` +
          '  model.nLayer: the configuration has 3, the model 2\\n' +
          '  model.nInner: the configuration has 100, the model 128\\n' +
          'leave the model section out to use the model as it is$',
      ),
    );
    await expectRefusal(
      { model: { ...model, architecture: 'llama' } },
      'ERR_BURGEON_CONFIG',
      /found another:\n {2}model.architecture: the configuration has "llama", the model "gpt2"\nleave/,
    );
  });

  test('a rotary stretch that only one of them has', async () => {
    const source = path.join(await temporaryDirectory(), 'llama');
    using llama = await Model.create(smallLlama({ ropeScaling: { type: 'linear', factor: 4 } }), { threads: 1 });
    await llama.save(source);
    const error = await refusal(await config({ initFrom: source, model: smallLlama() }));
    expect(error?.message).toContain('model.ropeScaling: the configuration has nothing, the model {"type":"linear"');
  });

  test('data of another tokenizer, or of more tokens than the model has', async () => {
    const directory = await temporaryDirectory();
    await writeFile(path.join(directory, 'text.txt'), someText());
    const bytes = path.join(directory, 'bytes');
    await prepare({ inputs: [path.join(directory, 'text.txt')], output: bytes, tokenizer: 'bytes' });
    const other = { data: { directory: bytes }, model };
    await expectRefusal(
      other,
      'ERR_BURGEON_DATA',
      /and its 21 tokens, found data of another tokenizer \(chars in the model, bytes in the data; 21 tokens in the model, 256 in the data; token 0 is .*\); prepare the text/,
    );
    const nameless = path.join(directory, 'nameless');
    const checkpoint = await readCheckpoint(path.join(home, 'run/checkpoint-00000004'));
    await writeModelDirectory(nameless, { ...checkpoint, tokenizerFiles: {} });
    await checkpoint.close();
    await expectRefusal(
      { ...other, initFrom: nameless },
      'ERR_BURGEON_DATA',
      /its 21 tokens, found data of 256 tokens/,
    );
    const gpt2 = path.join(directory, 'gpt2');
    const { 'burgeon_tokenizer.json': _, ...files } = createTokenizer({ name: 'gpt2' }).files();
    using large = await Model.create({ ...model, vocabSize: 50257 }, { threads: 1, tokenizerFiles: files });
    await large.save(gpt2);
    await expectRefusal({ ...other, initFrom: gpt2 }, 'ERR_BURGEON_DATA', /found data of another tokenizer/);
  });

  test('no model, and a damaged one', async () => {
    await expectRefusal({ initFrom: 'none' }, 'ERR_BURGEON_CHECKPOINT', /^none: expected a model directory/);
    const broken = path.join(await temporaryDirectory(), 'broken');
    await cp(path.join(home, 'run/checkpoint-00000004'), broken, { recursive: true });
    await writeFile(path.join(broken, 'model.safetensors'), 'x');
    await expectRefusal(
      { initFrom: broken },
      'ERR_BURGEON_CHECKPOINT',
      /model\.safetensors: expected SHA-256 .*: the checkpoint is damaged/,
    );
    // An overwritten run is still there when what should replace it cannot start.
    const settings = await config();
    await train({ ...settings, steps: 2 });
    expect(await refusal({ ...settings, initFrom: broken }, { start: 'overwrite' })).toBeDefined();
    expect(await readdir(settings.output)).toContain('checkpoint-00000002');
  });

  test('a run that is to be overwritten', async () => {
    for (const initFrom of [path.join(home, 'run'), path.join(home, 'run/checkpoint-00000004')]) {
      const settings = { ...(await config({ initFrom })), output: path.join(home, 'data/../run') };
      expect((await refusal(settings, { start: 'overwrite' }))?.message).toContain(
        'expected a model outside the run that is to be overwritten',
      );
    }
    expect(await weightsOf(path.join(home, 'run/checkpoint-00000004'))).toEqual(trained);
  });
});

describe('loadTrainConfig', () => {
  async function file(settings: Settings): Promise<string> {
    const name = path.join(await temporaryDirectory(), 'train.json');
    await writeFile(name, JSON.stringify(settings));
    return name;
  }

  test('takes the model of initFrom where the configuration has none, or its vocabulary', async () => {
    const { model: _, ...rest } = await config();
    const whole = await loadTrainConfig(await file(rest));
    expect(whole).toMatchObject({ model: { nLayer: 2, nEmbd: 32, vocabSize }, sequenceLength: 16 });
    expect(await loadTrainConfig(await file({ ...rest, model }))).toEqual(whole);
    await expect(loadTrainConfig(await file({ ...rest, initFrom: undefined }))).rejects.toThrow('model: expected');
    await expect(loadTrainConfig(await file({ ...rest, initFrom: 'none' }))).rejects.toThrow('none: expected a model');
    await expect(loadTrainConfig(await file({ ...rest, initFrom: 3 }))).rejects.toThrow(
      'initFrom: expected the path of a model, received 3',
    );
  });

  test('for a run to be resumed, takes that of its checkpoint', async () => {
    const { model: _, ...rest } = await config();
    await train({ ...rest, model, steps: 1 });
    const gone = await file({ ...rest, initFrom: 'gone' });
    await expect(loadTrainConfig(gone)).rejects.toThrow('gone: expected a model');
    expect((await loadTrainConfig(gone, { resume: true })).model).toMatchObject({ nEmbd: 32, vocabSize });
    // Which may as well be left out.
    const without = await file({ ...rest, initFrom: undefined });
    await expect(loadTrainConfig(without)).rejects.toThrow('model: expected');
    expect((await loadTrainConfig(without, { resume: true })).model).toMatchObject({ nEmbd: 32, vocabSize });
    const elsewhere = await file({ ...rest, initFrom: undefined, output: 'nowhere' });
    await expect(loadTrainConfig(elsewhere, { resume: true })).rejects.toThrow('model: expected');
  });
});

test('is begun from again where the only checkpoint of the run is damaged', async () => {
  const initFrom = path.join(home, 'run/checkpoint-00000004');
  const settings = await config({ initFrom });
  const { fingerprint } = await train(settings);
  const [last] = (await readdir(settings.output)).filter((name) => name.startsWith('checkpoint-'));
  const file = path.join(settings.output, last!, 'model.safetensors');
  const bytes = await readFile(file);
  bytes[bytes.length - 100]! ^= 1;
  await writeFile(file, bytes);
  // From the model again, not from weights that are drawn.
  expect((await train(settings, { start: 'auto' })).fingerprint).toEqual(fingerprint);
});
