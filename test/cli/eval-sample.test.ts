// burgeon eval and burgeon sample on a model that burgeon train has made.

import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jsonLines } from '../helpers/cli.ts';
import { createWorkspace, type Workspace } from './workspace.ts';

let workspace: Workspace;
let finalLoss: number;
beforeAll(async () => {
  workspace = await createWorkspace();
  const { stdout } = await workspace.succeed(['train', 'train.yaml', '--json']);
  finalLoss = (jsonLines(stdout).at(-1) as { summary: { validationLoss: number } }).summary.validationLoss;
});
afterAll(() => workspace.remove());

async function evaluate(...args: string[]) {
  return JSON.parse((await workspace.succeed(['eval', ...args, '--json'])).stdout);
}

async function sample(...args: string[]): Promise<string> {
  return (await workspace.succeed(['sample', ...args])).stdout;
}

async function failure(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await workspace.burgeon(args);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).not.toMatch(/^ +at /m);
  return stderr;
}

describe.concurrent('eval', () => {
  test('on the windows of the training configuration gives its last validation loss', async () => {
    const { loss, perplexity, bitsPerByte, tokens } = await evaluate(
      'run',
      '--data',
      'data',
      '--windows',
      '8',
      '--batch-size',
      '4',
    );
    expect(loss).toBe(finalLoss);
    expect(perplexity).toBeCloseTo(Math.exp(loss), 10);
    // One byte per character.
    expect(bitsPerByte).toBeCloseTo(loss / Math.LN2, 10);
    expect(tokens).toBe(8 * 16);
  });

  test('on all tokens, of a run, a checkpoint or a file, is the same', async () => {
    const all = await evaluate('run', '--data', 'data');
    expect(all.tokens).toBe(799);
    expect((await evaluate('run/checkpoint-00000015', '--data', 'data')).loss).toBe(all.loss);
    const shards = await evaluate('run', '--data', 'data/*_val_*.bin');
    expect(shards).toMatchObject({ loss: all.loss, bitsPerByte: all.bitsPerByte });
    const { tokens, loss } = await evaluate('run', '--data', 'data', '--split', 'train', '--sequence-length', '8');
    expect(tokens).toBe(7199);
    expect(loss).not.toBe(all.loss);
  });

  test('for people', async () => {
    const { stdout } = await workspace.succeed(['eval', 'run', '--data', 'data']);
    expect(stdout).toMatch(
      /^loss +\d\.\d{4} nats per token\nperplexity +\d+\.\d\d\nbits per byte +\d\.\d{4}\ntokens +799 in .* per second\)\n$/,
    );
  });

  test('refuses what does not fit', async () => {
    await workspace.succeed(['prepare', 'text.txt', '-o', 'bytes', '-t', 'bytes', '--val-fraction', '0']);
    expect(await failure('eval', 'run', '--data', 'bytes')).toMatch(
      /bytes: expected tokens of the model's vocabulary \(\d+\), the data set has 256; was the model trained with another tokenizer\?/,
    );
    expect(await failure('eval', 'run', '--data', 'none')).toContain('none: no such file');
    expect(await failure('eval', 'run', '--data', 'run')).toContain('expected the manifest of a prepared data set');
    expect(await failure('eval', 'run', '--data', 'data', '--sequence-length', '17')).toMatch(
      /T <= 16 .*context length/,
    );
    await workspace.succeed(['prepare', 'text.txt', '-o', 'whole', '-t', 'chars', '--val-fraction', '0']);
    expect(await failure('eval', 'run', '--data', 'whole')).toContain('whole: expected a validation split');
  });
});

describe.concurrent('sample', () => {
  test('begins with the prompt; the same seed gives the same text, another one another', async () => {
    const options = ['run', '--prompt', 'the old ', '--tokens', '60'];
    const text = await sample(...options, '--seed', '7');
    expect(text).toMatch(/^the old [a-z .\n]{60}\n$/);
    expect(await sample(...options, '--seed', '7')).toBe(text);
    expect(await sample(...options, '--seed', '8')).not.toBe(text);
  });

  test('at temperature 0, or with one candidate, does not depend on the seed', async () => {
    const text = await sample('run', '-n', '20', '--temperature', '0');
    expect(await sample('run', '-n', '20', '--temperature', '0', '--seed', '9')).toBe(text);
    expect(await sample('run', '-n', '20', '--top-k', '1', '--seed', '9')).toBe(text);
    expect(await sample('run', '-n', '20', '--top-p', '0.000001', '--seed', '9')).toBe(text);
  });

  test('can add nothing', async () => {
    expect(await sample('run', '-p', 'the', '-n', '0')).toBe('the\n');
  });

  test('streams: a reader that goes away ends it, quietly', async () => {
    // Text enough for an hour.
    const { code, signal, stdout, stderr } = await workspace.burgeon(['sample', 'run', '-n', '100000000'], {
      closesStdout: true,
    });
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    expect(stdout.length).toBeGreaterThan(0);
  });

  test('Ctrl-C ends it with what there is', async () => {
    const { code, stdout, stderr } = await workspace.burgeon(['sample', 'run', '-n', '100000000', '-p', 'the '], {
      signals: [{ name: 'SIGINT', after: 'the ' }],
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^the [a-z .\n]*\n$/);
  });

  test('reads the prompt from standard input, without its last line break', async () => {
    const asked = await sample('run', '-n', '20', '-p', 'the\nold ');
    for (const stdin of ['the\nold ', 'the\nold \n', 'the\nold \r\n']) {
      const { stdout } = await workspace.succeed(['sample', 'run', '-n', '20', '--prompt', '-'], { stdin });
      expect(stdout).toBe(asked);
    }
    const { code, stderr } = await workspace.burgeon(['sample', 'run', '-p', '-'], { stdin: Uint8Array.of(0xff) });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'burgeon: standard input: expected the prompt in UTF-8, found other bytes\n',
    });
  });

  test('as JSON: the prompt, what follows, and the settings', async () => {
    const options = ['run', '-p', 'the ', '-n', '20', '--seed', '3', '--top-k', '4'];
    const { continuation, ...rest } = JSON.parse(await sample(...options, '--json'));
    expect(`the ${continuation}\n`).toBe(await sample(...options));
    expect(rest).toEqual({
      model: workspace.path('run', 'checkpoint-00000015'),
      ...{ prompt: 'the ', tokens: 20, temperature: 0.8, topK: 4, topP: 1, seed: 3 },
    });
  });

  test('refuses a prompt that the vocabulary cannot encode, before it prints anything', async () => {
    expect(await failure('sample', 'run', '--prompt', 'Émile')).toMatch(
      /^burgeon: character "É" \(U\+00C9\): expected one of the \d+ characters of the vocabulary/,
    );
  });

  test('refuses a tokenizer that cannot be the one of the model', async () => {
    expect(await failure('sample', 'run', '--tokenizer', 'bytes', '-p', 'e')).toMatch(
      /bytes tokenizer: expected at most the model's \d+ tokens, it has 256/,
    );
  });

  test('a model without tokenizer takes --tokenizer', async () => {
    await workspace.succeed(['prepare', 'text.txt', '-o', 'plain', '-t', 'bytes', '--val-fraction', '0']);
    const settings = ['data={train: "plain/*.bin"}', 'model.vocabSize=256', 'output=plain-run', 'steps=1'];
    await workspace.succeed(['train', 'train.yaml', '--quiet', ...settings.flatMap((setting) => ['--set', setting])]);
    expect(await failure('sample', 'plain-run')).toContain('expected a tokenizer (burgeon_tokenizer.json');
    expect(await sample('plain-run', '--tokenizer', 'bytes', '-p', 'ab', '-n', '5')).toMatch(/^ab/);
  });

  test('a damaged model says which file', async () => {
    await workspace.succeed(['train', 'train.yaml', '--quiet', '--set', 'output=damaged', '--set', 'steps=1']);
    await writeFile(workspace.path('damaged', 'checkpoint-00000001', 'model.safetensors'), 'x');
    expect(await failure('sample', 'damaged/checkpoint-00000001')).toContain('model.safetensors');
  });
});

describe.concurrent('--best', () => {
  // Far too high a rate: the loss rises, so that the best checkpoint is an old one.
  const settings = ['output=best', 'optimizer.learningRate=0.5', 'optimizer.warmupSteps=6', 'est.schedule=dense'];
  const every = ['steps=8', 'evaluation.every=1', 'checkpoint.every=1', 'checkpoint.keepLast=1'];
  let best: number;
  beforeAll(async () => {
    const set = [...settings, ...every].flatMap((setting) => ['--set', setting]);
    const { stdout } = await workspace.succeed(['train', 'train.yaml', '--json', ...set]);
    best = (jsonLines(stdout).at(-1) as { summary: { bestStep: number } }).summary.bestStep;
    expect(best).toBeLessThan(8);
  });

  test('is the checkpoint with the lowest held-out loss, for sample, eval and export', async () => {
    const directory = workspace.path('best', `checkpoint-0000000${best}`);
    expect(JSON.parse(await sample('best', '--best', '--json', '-n', '5')).model).toBe(directory);
    expect(JSON.parse(await sample('best', '--json', '-n', '5')).model).toBe(
      workspace.path('best', 'checkpoint-00000008'),
    );
    const { loss } = await evaluate('best', '--best', '--data', 'data');
    expect(loss).toBe((await evaluate(directory, '--data', 'data')).loss);
    expect(loss).toBeLessThan((await evaluate('best', '--data', 'data')).loss);
    await workspace.succeed(['export', 'best', '--best', '-o', 'best-model']);
    expect((await evaluate('best-model', '--data', 'data')).loss).toBe(loss);
  });

  test('says why there is none', async () => {
    expect(await failure('sample', 'best/checkpoint-00000008', '--best')).toContain(
      'expected a run directory with checkpoints to find the best of, found none in it',
    );
    const set = ['data={train: "data/*_train_*.bin"}', 'model.vocabSize=32', 'output=unmeasured', 'steps=1'].flatMap(
      (setting) => ['--set', setting],
    );
    await workspace.succeed(['train', 'train.yaml', '--quiet', ...set]);
    expect(await failure('eval', 'unmeasured', '--best', '--data', 'data')).toContain(
      'unmeasured: expected a checkpoint with a held-out loss, none was evaluated',
    );
    const lost = ['output=lost', 'checkpoint.keepBest=false'].flatMap((setting) => ['--set', setting]);
    const all = [...settings.slice(1), ...every].flatMap((setting) => ['--set', setting]);
    await workspace.succeed(['train', 'train.yaml', '--quiet', ...all, ...lost]);
    expect(await failure('sample', 'lost', '--best')).toMatch(
      /checkpoint-0000000\d: expected the best checkpoint, with held-out loss \d\.\d{4}, found none; checkpoint\.keepBest/,
    );
  });
});
