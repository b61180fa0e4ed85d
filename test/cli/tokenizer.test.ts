// burgeon tokenizer train, and what comes after it: data prepared with the tokenizer, a model trained on them, its text.

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { readManifest } from '../../lib/data/manifest.ts';
import { useWorkspace } from './workspace.ts';

test('from text to a model with its own tokenizer', async () => {
  const { path, burgeon, succeed } = await useWorkspace();
  const { stdout } = await succeed(['tokenizer', 'train', 'text.txt', '--vocab-size', '300', '-o', 'tok']);
  expect(stdout).toBe(
    'wrote tok (vocabulary 300)\n' +
      '  learned from  7.81 KiB\n' +
      '  merges        43\n' +
      '  files         vocab.json, merges.txt, tokenizer.json, tokenizer_config.json, special_tokens_map.json\n',
  );
  await succeed(['prepare', 'text.txt', '-o', 'data', '-t', 'tok']);
  const { tokenizer, vocabSize, delimiter } = await readManifest(path('data'));
  expect({ vocabSize, delimiter }).toEqual({ vocabSize: 300, delimiter: { token: 299, position: 'before' } });
  expect(tokenizer.name).toBe('huggingface');

  await succeed(['train', 'train.yaml']);
  const checkpoint = (await readdir(path('run'))).find((name) => name.startsWith('checkpoint-'))!;
  expect(await readFile(path('run', checkpoint, 'tokenizer.json'), 'utf8')).toBe(
    await readFile(path('tok', 'tokenizer.json'), 'utf8'),
  );
  const sample = await succeed(['sample', 'run', '--tokens', '20', '--prompt', 'the']);
  expect(sample.stdout).toMatch(/^the/);
  expect((await succeed(['eval', 'run', '--data', 'data'])).stdout).toContain('bits per byte');

  // Data of another tokenizer do not fit the run.
  await writeFile(path('other.txt'), (await readFile(path('text.txt'), 'utf8')).replaceAll('e', 'z'));
  await succeed(['tokenizer', 'train', 'other.txt', '--vocab-size', '300', '-o', 'tok']);
  await succeed(['prepare', 'text.txt', '-o', 'data', '-t', 'tok/tokenizer.json']);
  const resumed = await burgeon(['train', 'train.yaml', '--resume']);
  expect(resumed).toMatchObject({ code: 1 });
  expect(resumed.stderr).toMatch(/cannot resume .* with (other training data|data of another tokenizer)/);
});

test('says when the text has too few pairs', async () => {
  const { path, succeed } = await useWorkspace();
  await writeFile(path('few.txt'), 'one two one two');
  const run = await succeed(['tokenizer', 'train', 'few.txt', '--vocab-size', '1000', '-o', 'tok', '--json']);
  expect(run.stderr).toContain('warning: the text has pairs for a vocabulary of 262, not 1000');
  expect(JSON.parse(run.stdout)).toMatchObject({ vocabSize: 262, merges: 5, bytes: 15 });
});

test('refuses, with one message', async () => {
  const { path, burgeon } = await useWorkspace();
  await mkdir(path('mine'));
  await writeFile(path('mine/notes.txt'), 'keep');
  await writeFile(path('empty.txt'), '');
  const train = ['tokenizer', 'train', '--vocab-size', '300'];
  const cases: [string[], string][] = [
    [[...train, 'nosuch.txt', '-o', 'out'], 'nosuch.txt: no such file'],
    [[...train, 'empty.txt', '-o', 'out'], 'expected some text to learn from, found none in 1 file'],
    [[...train, 'text.txt', '-o', 'mine'], 'expected a new directory or a tokenizer to replace'],
    [['prepare', 'text.txt', '-o', 'out', '-t', 'mine'], 'mine: expected a tokenizer'],
    [['prepare', 'text.txt', '-o', 'out', '-t', 'text.txt'], 'text.txt: expected JSON'],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await burgeon(args);
    expect({ code, stdout }, args.join(' ')).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^ +at /m);
  }
  expect(await readdir(path('mine'))).toEqual(['notes.txt']);
});
