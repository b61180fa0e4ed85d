import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { loadDataset } from '../../lib/data/dataset.ts';
import type { DataManifest } from '../../lib/data/manifest.ts';
import { type PrepareOptions, prepare } from '../../lib/prepare/prepare.ts';
import type { PrepareProgress } from '../../lib/prepare/progress.ts';
import { createTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import { useTempDirectory } from '../data/temp-directory.ts';

const temp = useTempDirectory();

/** Prepares `in` into `out` below the test's directory. */
function run(options: Partial<PrepareOptions> = {}): Promise<DataManifest> {
  return prepare({ inputs: [temp.path('in')], output: temp.path('out'), tokenizer: 'bytes', ...options });
}

async function tokensOf(split: 'train' | 'validation'): Promise<number[]> {
  const dataset = await loadDataset({ directory: temp.path('out') });
  const tokens: number[] = [];
  for (const file of dataset[split]?.files ?? []) tokens.push(...(await file.readTokens(0, file.tokenCount)));
  await dataset.close();
  return tokens;
}

async function textOf(split: 'train' | 'validation'): Promise<string> {
  const manifest: DataManifest = JSON.parse(await readFile(temp.path('out/manifest.json'), 'utf8'));
  return createTokenizer(manifest.tokenizer).decode(await tokensOf(split));
}

/** What `tail -c +1025 SHARD | sha256sum` says. */
async function sha256Of(split: 'train' | 'val', index = 0): Promise<string> {
  const bytes = await readFile(temp.path(`out/data_${split}_00000${index}.bin`));
  return createHash('sha256').update(bytes.subarray(1024)).digest('hex');
}

const failure = (code: string, message: string | RegExp) =>
  expect.objectContaining({ code: `ERR_BURGEON_${code}`, message: expect.stringMatching(message) });

describe('prepare with one document', () => {
  it('cuts chars tokens at floor(0.9 n)', async () => {
    await temp.write('in/a.txt', 'hello world, héllo wörld 🤯\n');
    const manifest = await run({ tokenizer: 'chars' });
    const characters = ['\n', ' ', ',', 'd', 'e', 'h', 'l', 'o', 'r', 'w', 'é', 'ö', '🤯'];
    expect(manifest).toEqual({
      format: 'burgeon-data',
      version: 2,
      tokenizer: { name: 'chars', characters },
      vocabSize: 13,
      delimiter: null,
      splitBy: 'tokens',
      splits: {
        train: {
          files: ['data_train_000000.bin'],
          sha256: [await sha256Of('train')],
          tokens: 24,
          documents: 1,
          bytes: 26,
        },
        validation: {
          files: ['data_val_000000.bin'],
          sha256: [await sha256Of('val')],
          tokens: 3,
          documents: 1,
          bytes: 6,
        },
      },
      source: { files: 1, documents: 1, bytes: 32, list: 'files.jsonl' },
      skipped: { empty: 0, nearDuplicates: 0, blankLines: 0 },
      invalidUtf8: 0,
      options: { validationFraction: 0.1, dropNearDuplicates: false, delimiter: null },
      warnings: [expect.stringContaining('validation has 18.8 %')],
    });
    expect(JSON.parse(await readFile(temp.path('out/manifest.json'), 'utf8'))).toEqual(manifest);
    expect((await readdir(temp.path('out'))).sort()).toEqual([
      'data_train_000000.bin',
      'data_val_000000.bin',
      'files.jsonl',
      'manifest.json',
    ]);
    expect(await textOf('train')).toBe('hello world, héllo wörld');
    expect(await textOf('validation')).toBe(' 🤯\n');
  });

  it.each([
    [20, 0.1, 18],
    [29, 0.1, 26],
    [50, 0.9, 5],
    [100, 0.3, 70],
  ])('cuts %i tokens, of which %d is for validation, at %i', async (n, validationFraction, trainTokens) => {
    await temp.write('in/a.txt', 'x'.repeat(n));
    const { train, validation } = (await run({ validationFraction })).splits;
    expect([train.tokens, validation?.tokens]).toEqual([trainTokens, n - trainTokens]);
  });

  it('puts <|endoftext|> in front with gpt2, and gives the tokens of the whole text', async () => {
    const text = `It's a test <|endoftext|> of streaming: ${'many words, 12345 numbers\n\n\n  and spaces; '.repeat(20_000)}`;
    await temp.write('in/a.txt', text);
    const manifest = await run({ tokenizer: 'gpt2', shardTokens: 100_000 });
    const all = [...(await tokensOf('train')), ...(await tokensOf('validation'))];
    const expected = [50256, ...createTokenizer({ name: 'gpt2' }).encode(text)];
    expect(all.length).toBe(expected.length);
    expect(all.every((token, i) => token === expected[i])).toBe(true);
    expect(manifest.delimiter).toEqual({ token: 50256, position: 'before' });
    const { train, validation } = manifest.splits;
    expect(train.tokens).toBe(Math.floor(0.9 * expected.length));
    expect(train.bytes + validation!.bytes).toBe(Buffer.byteLength(text));
    expect(train.files).toEqual(['data_train_000000.bin', 'data_train_000001.bin', 'data_train_000002.bin']);
    // The last one was hashed again, as its end was cut off.
    expect(train.sha256).toEqual(await Promise.all([0, 1, 2].map((index) => sha256Of('train', index))));
    expect(validation!.sha256).toEqual([await sha256Of('val')]);
  });

  it('holds nothing out when asked', async () => {
    await temp.write('in/a.txt', 'some text');
    const manifest = await run({ validationFraction: 0 });
    expect(manifest.splitBy).toBeNull();
    expect(manifest.splits).toEqual({
      train: { files: ['data_train_000000.bin'], sha256: [await sha256Of('train')], tokens: 9, documents: 1, bytes: 9 },
    });
    expect(await textOf('train')).toBe('some text');
  });
});

describe('prepare with several documents', () => {
  it('keeps documents whole, in order, and each in one split', async () => {
    for (let i = 0; i < 40; i++) await temp.write(`in/f${10 + i}.txt`, `document ${10 + i}\n`);
    const manifest = await run({ name: 'tiny' });
    const [train, validation] = [await textOf('train'), await textOf('validation')];
    const numbers = (text: string) => text.match(/\d+/g)!.map(Number);
    expect(numbers(train)).toEqual(numbers(train).toSorted());
    expect([...numbers(train), ...numbers(validation)].sort()).toEqual(Array.from({ length: 40 }, (_, i) => 10 + i));
    expect(manifest).toMatchObject({
      splitBy: 'documents',
      splits: { train: { documents: 36 }, validation: { documents: 4, files: ['tiny_val_000000.bin'] } },
      warnings: [],
    });
    expect(manifest.splits.train.bytes).toBe(Buffer.byteLength(train));
  });

  it('puts <|endoftext|> before each with gpt2', async () => {
    await temp.write('in/a.jsonl', ['Hello world', 'the', 'the'].map((text) => JSON.stringify({ text })).join('\n'));
    const manifest = await run({ tokenizer: 'gpt2', validationFraction: 0 });
    expect(await tokensOf('train')).toEqual([50256, 15496, 995, 50256, 1169, 50256, 1169]);
    expect(manifest.splits.train).toMatchObject({ documents: 3, bytes: 17 });
  });

  it.each(['bytes', 'chars'] as const)(
    'puts a newline between them with %s, unless there is one',
    async (tokenizer) => {
      for (const [name, text] of [
        ['a', 'one'],
        ['b', 'two\n'],
        ['c', 'three'],
        ['d', 'four'],
      ]) {
        await temp.write(`in/${name}.txt`, text!);
      }
      const manifest = await run({ tokenizer, validationFraction: 0 });
      expect(await textOf('train')).toBe('one\ntwo\nthree\nfour');
      expect(manifest.splits.train.bytes).toBe(18);
    },
  );

  it('splits text on a delimiter and skips empty documents', async () => {
    await temp.write('in/a.txt', 'one<|>two<|>\n <|>three');
    await temp.write('in/b.md', '');
    const manifest = await run({ delimiter: '<|>', validationFraction: 0 });
    expect(await textOf('train')).toBe('one\ntwo\nthree');
    expect(manifest).toMatchObject({
      source: { files: 2, documents: 5 },
      skipped: { empty: 2, nearDuplicates: 0 },
      options: { delimiter: '<|>' },
    });
  });

  it('drops near-duplicates before it splits', async () => {
    const words = (seed: number) => Array.from({ length: 80 }, (_, i) => `w${seed}n${i}`).join(' ');
    for (let i = 0; i < 12; i++) await temp.write(`in/${String(i).padStart(2, '0')}.txt`, words(i));
    await temp.write('in/50-copy.txt', words(3));
    await temp.write('in/60-bundle.txt', Array.from({ length: 12 }, (_, i) => words(i)).join('\n'));
    const kept = await run({ dropNearDuplicates: true });
    expect(kept.skipped).toEqual({ empty: 0, nearDuplicates: 2, blankLines: 0, list: 'near-duplicates.jsonl' });
    expect(kept.splits.train.documents + kept.splits.validation!.documents).toBe(12);
    const train = new Set((await textOf('train')).split(/\s/));
    for (const word of (await textOf('validation')).split(/\s/)) expect(train.has(word)).toBe(false);
    expect((await run()).skipped.nearDuplicates).toBe(0);
  });

  it('has no characters of dropped documents in a chars vocabulary', async () => {
    const text = 'the same words again and again and then some more of these same words to be sure';
    await temp.write('in/a.txt', text);
    await temp.write('in/b.txt', `${text} ~`);
    const manifest = await run({ tokenizer: 'chars', dropNearDuplicates: true });
    expect(manifest.splitBy).toBe('tokens');
    expect(manifest.tokenizer).toEqual({ name: 'chars', characters: [...new Set(text)].sort() });
  });

  it('warns when whole documents cannot meet the fraction', async () => {
    await temp.write('in/a.txt', 'x'.repeat(100));
    await temp.write('in/b.txt', 'y'.repeat(100));
    const manifest = await run();
    expect(manifest.warnings).toEqual([expect.stringMatching(/validation has 50\.0 % of the text instead of 10\.0 %/)]);
  });
});

describe('prepare on difficult input', () => {
  it('replaces, counts and reports invalid UTF-8, and strips a byte order mark', async () => {
    await temp.write('in/a.txt', '\uFEFFclean text');
    await temp.write('in/b.txt', Buffer.from([0x61, 0xff, 0x62, 0xc3]));
    const manifest = await run({ validationFraction: 0 });
    expect(await textOf('train')).toBe('clean text\na\uFFFDb\uFFFD');
    expect(manifest.invalidUtf8).toBe(2);
    expect(manifest.warnings).toEqual(['2 invalid UTF-8 sequences were replaced by U+FFFD, the first in b.txt']);
  });

  it('gives the same bytes every time, wherever the files are', async () => {
    for (let i = 0; i < 20; i++) await temp.write(`in/f${i}.txt`, `document number ${i}`.repeat(i + 1));
    await run({ tokenizer: 'chars' });
    const first = await readFile(temp.path('out/manifest.json'), 'utf8');
    const shard = await readFile(temp.path('out/data_val_000000.bin'));
    await prepare({ inputs: [temp.path('in/*.txt')], output: temp.path('other/place'), tokenizer: 'chars' });
    expect(await readFile(temp.path('other/place/manifest.json'), 'utf8')).toBe(first);
    expect((await readFile(temp.path('other/place/data_val_000000.bin'))).equals(shard)).toBe(true);
    expect(first).not.toContain(temp.path());
  });

  it('reports progress of both passes', async () => {
    await temp.write('in/a.txt', 'x'.repeat(600_000));
    await temp.write('in/b.txt', 'y'.repeat(1000));
    const reports: PrepareProgress[] = [];
    await run({ onProgress: (report) => reports.push(report) });
    for (const phase of ['scan', 'encode']) {
      const done = reports.filter((report) => report.phase === phase).map((report) => report.bytesDone);
      expect(done).toEqual(done.toSorted((a, b) => a - b));
      expect(done.at(-1)).toBe(601_000);
    }
    expect(reports[0]!.bytesTotal).toBe(601_000);
  });

  it.each([
    ['no text', { 'in/a.txt': '', 'in/b.txt': ' \n' }, {}, /expected some text, found none in 2 files \(2 empty/],
    ['too little text', { 'in/a.txt': 'abc' }, {}, /validation split: expected at least 2 tokens, got 1/],
    ['a bad line', { 'in/a.jsonl': '{"text": "a"}\n{"no": 1}\n' }, {}, /a\.jsonl:2: expected/],
    ['binary files', { 'in/a.txt': 'a\0b' }, {}, /zero byte/],
    ['no files', { 'in/a.pdf': 'a' }, {}, /expected \.txt, \.md, \.jsonl/],
    ['a pattern without match', { 'in/a.txt': 'a' }, { inputs: ['no/such/*.txt'] }, /no file matches/],
  ])('reports %s', async (_, files, options, message) => {
    for (const [name, content] of Object.entries(files)) await temp.write(name, content);
    await expect(run(options)).rejects.toThrow(failure('DATA', message));
    expect(await readdir(temp.path())).toEqual(['in']);
  });

  it.each([
    [{ tokenizer: 'gpt4' as 'gpt2' }, /tokenizer: expected 'gpt2', 'bytes', 'chars' or a tokenizer, received "gpt4"/],
    [{ validationFraction: 1 }, /validationFraction: expected a number from 0 to less than 1, received 1/],
    [{ validationFraction: -0.1 }, /validationFraction/],
    [{ delimiter: '' }, /delimiter/],
    [{ name: 'a/b' }, /name/],
    [{ shardTokens: 0.5 }, /shardTokens/],
    [{ inputs: [] }, /inputs/],
  ])('refuses the options %j', async (options, message) => {
    await temp.write('in/a.txt', 'some text');
    await expect(run(options)).rejects.toThrow(failure('CONFIG', message));
  });

  it('notices a file that changes between the passes', async () => {
    const path = await temp.write('in/a.txt', 'some text that will change');
    const changing = run({
      onProgress({ phase, bytesDone, bytesTotal }) {
        if (phase === 'scan' && bytesDone === bytesTotal) writeFileSync(path, 'other text');
      },
    });
    await expect(changing).rejects.toThrow(failure('DATA', /a\.txt: changed while it was being prepared/));
    expect(await readdir(temp.path())).toEqual(['in']);
  });
});

describe('a vocabulary beyond 65,536', () => {
  it('takes shards of 32 bits', async () => {
    // All letters, signs and ideographs of planes 0, 1 and 2, of which UTF-8 and UTF-16 take their longest forms.
    const codePoints = Array.from({ length: 70_000 }, (_, i) => (i < 50_000 ? 0x21 + i : 0x10000 + i));
    await temp.write('in/a.txt', codePoints.map((codePoint) => String.fromCodePoint(codePoint)).join(''));
    const manifest = await run({ tokenizer: 'chars', validationFraction: 0 });
    expect(manifest.vocabSize).toBe(70_000);
    const tokens = await tokensOf('train');
    expect(tokens).toHaveLength(70_000);
    expect(tokens.every((token, i) => token === i)).toBe(true);
    const bytes = await readFile(temp.path('out/data_train_000000.bin'));
    expect([bytes.length, bytes.readInt32LE(0)]).toEqual([1024 + 4 * 70_000, 20240801]);
  });
});

describe('the output of prepare', () => {
  it('replaces an earlier data set and an empty directory', async () => {
    await temp.write('in/a.txt', 'first text');
    await mkdir(temp.path('out'));
    await run({ name: 'first', validationFraction: 0 });
    await run({ name: 'second', validationFraction: 0 });
    expect((await readdir(temp.path('out'))).sort()).toEqual([
      'files.jsonl',
      'manifest.json',
      'second_train_000000.bin',
    ]);
    expect((await readdir(temp.path())).sort()).toEqual(['in', 'out']);
  });

  it.each([
    ['other files', { 'out/notes.txt': 'mine' }, /found other files \(notes\.txt\)/],
    [
      'the manifest of something else',
      { 'out/manifest.json': '{"name": "app"}' },
      /found other files \(manifest\.json\)/,
    ],
    [
      'a data set with a damaged manifest',
      { 'out/manifest.json': '{', 'out/data_train_000000.bin': 'x' },
      /found a data set whose manifest\.json cannot be read; choose another output, or remove .*out$/,
    ],
    [
      'a run',
      { 'out/metrics.jsonl': '', 'out/notes.txt': '' },
      /found a run \(metrics\.jsonl\); choose another output$/,
    ],
    ['a file of that name', { out: 'mine' }, /expected a directory or nothing/],
  ])('does not replace %s', async (_, files, message) => {
    await temp.write('in/a.txt', 'some text');
    for (const [name, content] of Object.entries(files)) await temp.write(name, content);
    await expect(run()).rejects.toThrow(failure('DATA', message));
    for (const [name, content] of Object.entries(files)) {
      expect(await readFile(temp.path(name), 'utf8')).toBe(content);
    }
  });

  it('does not replace a data set to which something was added', async () => {
    await temp.write('in/a.txt', 'some text');
    await run({ validationFraction: 0 });
    await writeFile(temp.path('out/checkpoint.bin'), 'precious');
    await expect(run()).rejects.toThrow(failure('DATA', /found other files \(checkpoint\.bin\)/));
    expect(await readdir(temp.path('out'))).toHaveLength(4);
  });

  it('keeps an earlier data set when it fails', async () => {
    await temp.write('in/a.txt', 'some text');
    await run({ validationFraction: 0 });
    await temp.write('in/b.jsonl', 'bad');
    await expect(run()).rejects.toThrow(failure('DATA', /b\.jsonl:1/));
    expect(await textOf('train')).toBe('some text');
    expect((await readdir(temp.path())).sort()).toEqual(['in', 'out']);
  });
});
