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
