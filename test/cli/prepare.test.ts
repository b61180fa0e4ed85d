// burgeon prepare: what it makes of text files, says about it, and refuses.

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { expect, test } from 'vitest';
import { readManifest } from '../../lib/data/manifest.ts';
import { useWorkspace } from './workspace.ts';

test('a text file', async () => {
  const { path, succeed } = await useWorkspace();
  const { stdout } = await succeed(['prepare', 'text.txt', '-o', 'made/here', '--tokenizer', 'bytes']);
  expect(stdout).toBe(
    'wrote made/here (tokenizer bytes, vocabulary 256)\n' +
      '  read        1 document in 1 file, 7.81 KiB of text\n' +
      '  left out    0 near-duplicate documents, 0 empty documents\n' +
      '  train       7.20 k tokens, 1 document, 7.03 KiB\n' +
      '  validation  800 tokens, 1 document, 800 B\n',
  );
  expect(await readManifest(path('made/here'))).toMatchObject({
    splitBy: 'tokens',
    splits: { train: { tokens: 7200 } },
  });
});

test('several kinds of input at once, with every option', async () => {
  const { path, succeed } = await useWorkspace();
  await mkdir(path('corpus/deep'), { recursive: true });
  await writeFile(path('corpus/one.txt'), 'first document;second document');
  await writeFile(path('corpus/deep/two.md'), 'third document');
  await writeFile(path('corpus/ignored.ts'), 'not text');
  await writeFile(path('more.jsonl'), '{"text":"fourth"}\n{"text":"","id":2}\n{"text":"fifth"}\n');
  const options = ['--delimiter', ';', '--val-fraction', '0', '--name', 'mine', '--shard-tokens', '20', '-t', 'chars'];
  const { stdout } = await succeed(['prepare', 'corpus', '*.jsonl', '-o', 'out', ...options, '--json']);
  const manifest = JSON.parse(stdout);
  expect(manifest).toEqual(JSON.parse(JSON.stringify(await readManifest(path('out')))));
  expect(manifest).toMatchObject({
    tokenizer: { name: 'chars' },
    source: { files: 3 },
    splits: { train: { documents: 5 } },
    skipped: { empty: 1 },
    options: { validationFraction: 0, delimiter: ';' },
  });
  expect(manifest.splits.validation).toBeUndefined();
  const files: string[] = manifest.splits.train.files;
  expect(files.length).toBeGreaterThan(1);
  expect((await readdir(path('out'))).sort()).toEqual([...files, 'files.jsonl', 'manifest.json'].sort());
  for (const file of files) expect(file).toMatch(/^mine_train_\d+\.bin$/);
});

test('near-duplicates are left out when asked', async () => {
  const { path, succeed } = await useWorkspace();
  const line = (text: string) => `${JSON.stringify({ text })}\n`;
  const document = 'the same words in the same order, long enough to tell that they are the same words. '.repeat(4);
  await writeFile(path('twice.jsonl'), line(document) + line('something else entirely') + line(`${document}!`));
  const run = ['prepare', 'twice.jsonl', '-o', 'out', '-t', 'bytes', '--val-fraction', '0'];
  expect((await succeed(run)).stdout).toContain('3 documents');
  const { stdout } = await succeed([...run, '--drop-near-duplicates']);
  expect(stdout).toContain('2 documents');
  expect(stdout).toContain('1 near-duplicate document, 0 empty documents; listed in out/near-duplicates.jsonl\n');
  expect(await readFile(path('out/near-duplicates.jsonl'), 'utf8')).toMatch(/^{"file":"twice.jsonl","number":3,.*}\n$/);
});

test('a dry run lists near-duplicates and writes nothing', async () => {
  const { path, succeed } = await useWorkspace();
  const line = (text: string) => `${JSON.stringify({ text })}\n`;
  const text = (seed: number) => Array.from({ length: 60 }, (_, i) => `w${seed}n${i}`).join(' ');
  await writeFile(path('a.txt'), text(1));
  await writeFile(path('b.jsonl'), line(text(2)) + line(`${text(1)} ${text(2)}`));
  const parquet = parquetWriteBuffer({ columnData: [{ name: 'text', data: ['other', text(2)], type: 'STRING' }] });
  await writeFile(path('c.parquet'), Buffer.from(parquet));
  const before = await readdir(path());
  const run = ['prepare', 'a.txt', 'b.jsonl', 'c.parquet', '--dry-run'];
  const start = (seed: number) => `${text(seed).slice(0, 59)}…`;
  const { stdout } = await succeed([...run, '--drop-near-duplicates']);
  expect(stdout.replaceAll(/\d+\.\d %/g, '_ %')).toBe(
    `b.jsonl:2  _ % of it in earlier documents, _ % in b.jsonl:1\n  dropped  ${start(1)}\n  kept     ${start(2)}\n` +
      '  repeats  w1n6 w1n7 w1n8 w1n9 w1n10 w1n11 w1n12 w1n13\n  new      w1n55 w1n56 w1n57 w1n58 w1n59 w2n0 w2n1 w2n2\n' +
      `c.parquet row 2  _ % of it in b.jsonl:1\n  both     ${start(2)}\n  new      nothing\n` +
      'dry run, nothing was written\n' +
      '  read          5 documents in 3 files, 1.71 KiB of text\n' +
      '  to leave out  2 near-duplicate documents, 0 empty documents\n\n' +
      '  file       documents      text          left out\n' +
      '  a.txt              1     349 B                 -\n' +
      '  b.jsonl            2  1.02 KiB  1 near-duplicate\n' +
      '  c.parquet          2     354 B  1 near-duplicate\n',
  );
  const json = JSON.parse((await succeed([...run, '--drop-near-duplicates', '--json', '-o', 'out'])).stdout);
  expect(json).toMatchObject({
    source: { files: 3, documents: 5 },
    skipped: { empty: 0, nearDuplicates: 2 },
    nearDuplicates: [
      { file: 'b.jsonl', number: 2, like: { file: 'b.jsonl', number: 1 } },
      { file: 'c.parquet', number: 2, repeated: 1, like: { file: 'b.jsonl', number: 1, share: 1 } },
    ],
  });
  const { stdout: unasked } = await succeed(run);
  expect(unasked).toContain(
    'to leave out  0 empty documents; near-duplicates are looked for with --drop-near-duplicates',
  );
  expect(await readdir(path())).toEqual(before);
});

test('says what it did with each file, shortly and in a list', async () => {
  const { path, succeed } = await useWorkspace();
  await mkdir(path('many'));
  for (let i = 0; i < 14; i++) await writeFile(path('many', `${String(i).padStart(2, '0')}.txt`), 'x'.repeat(10 + i));
  await writeFile(path('lines.jsonl'), '{"text":"one"}\n\n{"text":" "}\n  \n{"text":"two"}');
  await writeFile(path('bad.txt'), Buffer.from([0x61, 0xff]));
  const args = ['-o', 'out', '-t', 'gpt2', '--val-fraction', '0'];
  const { stdout } = await succeed(['prepare', 'lines.jsonl', 'bad.txt', ...args]);
  expect(stdout).toContain('  left out    0 near-duplicate documents, 1 empty document, 2 blank lines\n');
  expect(stdout).toContain(
    '  file         documents  text  tokens                left out\n' +
      '  bad.txt              1   4 B       3         1 bad character\n' +
      '  lines.jsonl          3   7 B       4  1 empty, 2 blank lines\n',
  );
  const { stdout: long } = await succeed(['prepare', 'many', ...args]);
  expect(long).toMatch(
    /^ {2}many\/13\.txt .*\n(?:.*\n){9} {2}4 more +4 +46 B .*\n {2}all of them: out\/files\.jsonl$/m,
  );
  const list = (await readFile(path('out/files.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(list.map(({ file, bytes }) => [file, bytes]).at(-1)).toEqual(['many/13.txt', 23]);
  const { splits } = await readManifest(path('out'));
  expect(list.reduce((sum, { tokens }) => sum + tokens.train, 0)).toBe(splits.train.tokens);
});

test('the one document that is cut is of its file in both splits', async () => {
  const { path, succeed } = await useWorkspace();
  await writeFile(path('blank.txt'), ' ');
  await succeed(['prepare', 'blank.txt', 'text.txt', '-o', 'out', '-t', 'bytes']);
  const lines = (await readFile(path('out/files.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ tokens }) => tokens)).toEqual([
    { train: 0, validation: 0 },
    { train: 7200, validation: 800 },
  ]);
});

test('a column of its own for each input', async () => {
  const { path, succeed } = await useWorkspace();
  await mkdir(path('year=2024'));
  await writeFile(path('year=2024/a.jsonl'), '{"body":"first","text":"wrong"}\n');
  await writeFile(path('b.jsonl'), '{"a=b":"second"}\n');
  await writeFile(path('c.jsonl'), '{"content":"third"}\n');
  const columns = ['year=2024/a.jsonl=body', 'b.jsonl=a=b', 'content'].flatMap((text) => ['--text-column', text]);
  const run = ['year=2024/a.jsonl', 'b.jsonl', 'c.jsonl', ...columns];
  await succeed(['prepare', ...run, '-o', 'out', '-t', 'bytes', '--val-fraction', '0']);
  expect((await readFile(path('out/data_train_000000.bin'))).subarray(1024).toString('utf16le')).toBe(
    'second\nthird\nfirst',
  );
  const json = JSON.parse((await succeed(['prepare', ...run, '--dry-run', '--json'])).stdout);
  expect(json.files.map(({ textColumn }: { textColumn: string }) => textColumn)).toEqual(['a=b', 'content', 'body']);
  expect((await succeed(['tokenizer', 'train', ...run, '-o', 'tok', '--vocab-size', '257'])).stdout).toContain('16 B');
});

test('warnings go to standard error', async () => {
  const { path, succeed } = await useWorkspace();
  await writeFile(path('broken.txt'), Buffer.from([0x61, 0xff, 0x62, 0x0a, 0x63, 0x64]));
  const { stdout, stderr } = await succeed([
    'prepare',
    'broken.txt',
    '-o',
    'out',
    '-t',
    'bytes',
    '--val-fraction',
    '0',
    '--json',
  ]);
  expect(JSON.parse(stdout).invalidUtf8).toBe(1);
  expect(stderr).toContain('warning: 1 invalid UTF-8 sequence was replaced by U+FFFD, the first in broken.txt');
});

test('refuses, and leaves what was there', async () => {
  const { path, burgeon } = await useWorkspace();
  await writeFile(path('bad.jsonl'), '{"text":"good"}\n{"text":3}\n');
  await writeFile(path('empty.txt'), '');
  const before = await readdir(path('data'));
  const cases: [string[], string][] = [
    [['nosuch.txt', '-o', 'out'], 'nosuch.txt: no such file'],
    [['no*.txt', '-o', 'out'], 'no*.txt: no file matches this pattern'],
    [['bad.jsonl', '-o', 'data'], 'bad.jsonl:2: expected a JSON object with a string field "text"'],
    [['empty.txt', '-o', 'data'], 'expected some text, found none'],
    [['text.txt', '-o', '.'], 'expected a new directory or a data set to replace, found other files'],
    [['text.txt', '-o', 'empty.txt'], 'empty.txt: expected a directory'],
    [
      ['bad.jsonl', '--text-column', 'bed.jsonl=body', '-o', 'out'],
      'expected one of the inputs as it was given (bad.jsonl), received "bed.jsonl"',
    ],
    [
      ['bad.jsonl', '--text-column', 'a', '--text-column', 'b', '-o', 'out'],
      'expected one column for all inputs, received "a" and "b"',
    ],
    [['bad.jsonl', '--text-column', 'bad.jsonl=', '-o', 'out'], 'expected a column after "bad.jsonl="'],
    [['text.txt', '--text-column', 'text.txt=body', '-o', 'out'], 'text.txt has none; leave the column out'],
    [
      ['bad.jsonl', './bad.jsonl', '--text-column', 'bad.jsonl=a', '--text-column', './bad.jsonl=b', '-o', 'out'],
      'received "a" with the input bad.jsonl and "b" with ./bad.jsonl',
    ],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await burgeon(['prepare', '-t', 'bytes', ...args]);
    expect({ code, stdout }, args.join(' ')).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^ +at /m);
  }
  expect(await readdir(path('data'))).toEqual(before);
  expect((await readdir(path())).sort()).toEqual(['bad.jsonl', 'data', 'empty.txt', 'text.txt', 'train.yaml']);
});

test('compressed lines and parquet, with the text in another field', async () => {
  const { path, succeed, burgeon } = await useWorkspace();
  const parquet = parquetWriteBuffer({ columnData: [{ name: 'body', data: ['third', 'fourth'], type: 'STRING' }] });
  await writeFile(path('b.parquet'), Buffer.from(parquet));
  await writeFile(path('a.jsonl.gz'), gzipSync('{"body":"first","text":1}\n{"body":"second"}\n'));
  const command = ['prepare', 'a.jsonl.gz', 'b.parquet', '-t', 'bytes', '--val-fraction', '0'];
  const { stdout } = await succeed([...command, '-o', 'out', '--text-column', 'body']);
  expect(stdout).toContain('read        4 documents in 2 files, 22 B of text');
  const bytes = await readFile(path('out/data_train_000000.bin'));
  const tokens = new Uint16Array(bytes.buffer, bytes.byteOffset + 1024, (bytes.length - 1024) / 2);
  expect(Buffer.from(tokens).toString()).toBe('first\nsecond\nthird\nfourth');

  const refused = await burgeon([...command, '-o', 'other']);
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toContain('a.jsonl.gz:1: expected a JSON object with a string field "text"');
  expect(refused.stderr).toContain('--text-column');
});

test('names what a directory has beside the texts, but not the data set in it', async () => {
  const { path, succeed } = await useWorkspace();
  await mkdir(path('texts'));
  await writeFile(path('texts', 'book.txt'), 'It was the best of times. '.repeat(40));
  for (const name of ['a.json', 'b.py', 'c.py', 'd.py']) await writeFile(path('texts', name), '{}');
  const prepare = ['prepare', 'texts', '-t', 'bytes'];
  const note =
    'note: 4 files of other kinds were not read (texts/a.json, texts/b.py, texts/c.py, ...); name them, or give a pattern in quotes\n';
  // Twice, as the second time the data set of the first is there.
  for (const flags of [['-o', 'texts/data'], ['-o', 'texts/data'], ['--dry-run']]) {
    const { stdout, stderr } = await succeed([...prepare, ...flags]);
    expect(stdout).toMatch(/read +1 document in 1 file/);
    expect(stderr).toContain(note);
  }
  const { stderr } = await succeed(['prepare', 'texts/book.txt', '-o', 'data', '-t', 'bytes']);
  expect(stderr).not.toContain('note');
});
