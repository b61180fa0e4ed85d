// burgeon data: documents, tokens and counts of a prepared data set, and what was left out of it.

import { appendFile, cp, readFile, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createWorkspace, type Workspace } from './workspace.ts';

const repeated = 'the same words in the same order long enough to tell that they are the same words '.repeat(3);
const texts = ['Hello world', 'naïve 🌱\nnew line', repeated, 'one two three', `${repeated}!`];

/** Has documents/ (GPT-2 tokens), letters/ (chars, several documents), and data/ (chars, one document that was cut). */
let workspace: Workspace;
beforeAll(async () => {
  workspace = await createWorkspace();
  await writeFile(workspace.path('some.jsonl'), texts.map((text) => `${JSON.stringify({ text })}\n`).join(''));
  const prepare = ['prepare', 'some.jsonl', '--val-fraction', '0'];
  await workspace.succeed([...prepare, '-o', 'documents', '--drop-near-duplicates', '--shard-tokens', '20']);
  await workspace.succeed([...prepare, '-o', 'letters', '-t', 'chars']);
});
afterAll(() => workspace.remove());

const run = async (line: string) => (await workspace.succeed(['data', ...line.split(' ')])).stdout;
const json = async (line: string) => JSON.parse(await run(`${line} --json`));

describe.concurrent('show', () => {
  test('a document with the boundaries of its tokens', async () => {
    expect(await run('show documents 1')).toBe(
      'document 1 of 4 in train: 2 tokens, 1 to 2 of the split\nHello│ world\n',
    );
    expect(await run('show documents 2')).toContain('\nna│ïve│ │‹234›│🌱│⏎\n│new│ line\n');
  });

  test('colours in their place where there are any', async () => {
    const { stdout } = await workspace.succeed(['data', 'show', 'documents', '1'], { env: { FORCE_COLOR: '1' } });
    expect(stdout).toContain('Hello\u001b[100m\u001b[97m world\u001b');
    expect(stdout).not.toContain('│');
  });

  test('one at random, fixed by the seed', async () => {
    const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
    const numbers = await Promise.all(
      seeds.map(async (seed) => (await json(`show documents --seed ${seed}`)).document),
    );
    expect(new Set(numbers).size).toBeGreaterThan(1);
    expect((await json('show documents --seed 1')).document).toBe(numbers[0]);
  });

  test('a part of a long one, as a list', async () => {
    const stdout = await run('show documents 4 --tokens 2 --list');
    expect(stdout).toMatch(/^ {2}position +id +text\n {2}\d+ +505 +"one"\n {2}\d+ +734 +" two"\n/m);
    expect(stdout).toContain('1 more tokens; --tokens all shows them');
    expect(await json('show documents 4 --tokens all')).toMatchObject({ tokens: 3, text: 'one two three' });
  });

  test('the halves of a document that was cut', async () => {
    const [train, validation] = [await json('show data 1 --tokens 3'), await json('show data --split validation')];
    expect([train.tokens, train.start, validation.tokens, validation.documents]).toEqual([7200, 0, 800, 1]);
  });

  test.each([
    ['show documents 5', 'documents: expected a document from 1 to 4, those of the train split, received 5'],
    ['show documents --split validation', 'documents: expected a validation split, the data set has only train'],
    [
      'show letters 1',
      'the vocabulary of chars has no end-of-text token, so that the 5 documents of the train split cannot be told apart; look at',
    ],
    ['show nowhere', 'nowhere/manifest.json: expected the manifest of a prepared data set, found none'],
    [
      'stats document',
      'document/manifest.json: expected the manifest of a prepared data set, found none; did you mean documents?',
    ],
    ['stats .', 'found none; did you mean data or documents or '],
    [
      'decode documents/data_train_000000.bin',
      'documents/data_train_000000.bin: expected the directory of a prepared data set, found a file in one; give documents',
    ],
    ['dropped some.jsonl', 'some.jsonl: expected the directory of a prepared data set, found a file'],
    ['shwo documents', "unknown command 'shwo'"],
  ])('%s', async (line, message) => {
    const { code, stdout, stderr } = await workspace.burgeon(['data', ...line.split(' ')]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
  });
});

describe.concurrent('decode', () => {
  test('ids, a range of a shard, and one of a split', async () => {
    expect(await run('decode documents 15496,995 0')).toBe('Hello world!\n');
    expect(await run('decode documents --shard data_train_000000.bin --from 1 --count 2')).toBe('Hello world\n');
    expect(await run('decode documents --split train --from 1 --count 2 --marked')).toBe('Hello│ world\n');
    expect(await json('decode documents --split train --from 1 --count 1')).toEqual({ ids: [15496], text: 'Hello' });
    // To the end, where that is nearer.
    expect((await json('decode letters --split train --from 10 --count 100000')).ids.length).toBeGreaterThan(300);
  });

  test.each([
    ['decode documents', 'expected token ids, or --shard or --split with --from and --count, received none of them'],
    ['decode documents 1 --split train', 'received more than one of them'],
    ['decode documents 1 --from 3', 'received more than one of them'],
    ['decode documents 50257', '50257'],
    ['decode documents 1,x', 'Expected token ids, separated by spaces or commas.'],
    ['decode documents --split test', '--split: expected train or validation, received "test"'],
    [
      'decode documents --shard a.bin',
      '--shard: expected a shard of documents (data_train_000000.bin, data_train_000001.bin',
    ],
    [
      'decode documents --shard data_train_000000.bin --from 20',
      '--from: expected a position from 0 to 19 in data_train_000000.bin, received 20',
    ],
  ])('%s', async (line, message) => {
    const { code, stdout, stderr } = await workspace.burgeon(['data', ...line.split(' ')]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
  });
});

describe.concurrent('stats', () => {
  test('counts by split and shard, lengths and vocabulary', async () => {
    const stats = await json('stats documents --top 1');
    const [train] = stats.splits;
    expect(train.shards.map(({ documents }: { documents: number }) => documents)).toEqual([3, 0, 0, 1]);
    expect(train).toMatchObject({ split: 'train', documents: 4, unknown: null, lengths: { documents: 4, min: 2 } });
    expect(train.mostFrequent).toMatchObject([{ text: ' same', count: 9 }]);
    expect(stats.neverSeen.tokens + train.seen).toBe(50257);
    expect(stats.skipped).toMatchObject({ nearDuplicates: 1 });
    const text = await run('stats documents');
    expect(text).toContain('token 50256 "<|endoftext|>" stands before each');
    expect(text).toMatch(/^ {2}train +\d+ +4 /m);
    expect(text).toMatch(/^ {2}documents in train, by their tokens\n +2 to 3 +2 █+$/m);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  test('says where documents cannot be told apart, and what only validation has', async () => {
    const letters = await json('stats letters');
    expect([letters.delimiter, letters.splits[0].lengths]).toEqual([null, null]);
    expect(letters.splits[0].shards[0].documents).toBeNull();
    expect(await run('stats letters')).toContain('not to be told apart: the vocabulary has no end-of-text token');
    const { splits, onlyInValidation } = await json('stats data');
    expect(splits.map(({ split, tokens }: { split: string; tokens: number }) => [split, tokens])).toEqual([
      ['train', 7200],
      ['validation', 800],
    ]);
    expect(onlyInValidation).toBe(0);
  });
});

describe.concurrent('dropped', () => {
  test('what was left out, and what it repeats', async () => {
    const stdout = await run('dropped documents');
    expect(stdout).toMatch(/^some\.jsonl:5 {2}.* of it in some\.jsonl:3\n {2}both {5}the same words/);
    expect(stdout).toContain('1 document left out as near-duplicates\n');
    expect(stdout).toMatch(/^ {2}1 {2}some\.jsonl:3 {2}the same words/m);
    const { total, kept, shares } = await json('dropped documents --limit 1');
    expect([total, kept[0].documents, kept[0].document.number]).toEqual([1, 1, 3]);
    expect(shares.reduce((sum: number, bin: { documents: number }) => sum + bin.documents, 0)).toBe(1);
  });

  test('a data set without a list', async () => {
    const { code, stderr } = await workspace.burgeon(['data', 'dropped', 'letters']);
    expect(code).toBe(1);
    expect(stderr).toContain(
      'letters: expected a list of near-duplicates, the data set has none; near-duplicates were not looked for',
    );
  });

  test('a list of an earlier version, and one that is damaged or gone', async () => {
    const list = workspace.path('earlier/near-duplicates.jsonl');
    await cp(workspace.path('documents'), workspace.path('earlier'), { recursive: true });
    const { repeats: _, differs: __, ...earlier } = JSON.parse(await readFile(list, 'utf8'));
    await writeFile(list, `${JSON.stringify({ ...earlier, begins: 'other words' })}\n`);
    const stdout = await run('dropped earlier');
    expect(stdout).toMatch(/^ {2}repeats {2}unknown: an earlier version listed it\n {2}new {6}unknown/m);
    expect(stdout).not.toContain('undefined');
    await appendFile(list, '{}\n');
    const failure = async () => (await workspace.burgeon(['data', 'dropped', 'earlier'])).stderr;
    expect(await failure()).toContain('earlier/near-duplicates.jsonl:2: expected a near-duplicate as');
    await rm(list);
    expect(await failure()).toContain('earlier/near-duplicates.jsonl: the list of near-duplicates is missing; restore');
  });
});
