// Every example in the help texts works when typed, in the order of the texts, in a directory that holds what they speak
// of. Training is cut to two steps and measurements to one round, which decides nothing; nothing else is changed.

import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { expect, test } from 'vitest';
import { burgeon } from '../helpers/cli.ts';
import { someText } from '../train/helpers.ts';
import { useWorkspace } from './workspace.ts';

const briefly: Record<string, string[]> = {
  train: ['--set', 'steps=2', '--set', 'evaluation.windows=2', '--set', 'checkpoint.every=1'],
  sweep: ['--set', 'steps=2', '--set', 'evaluation.windows=2'],
  bench: ['--tiny', '--rounds', '1', '--threshold', '1e9'],
};

/** The example lines of a help text, as arguments. */
async function examplesOf(...command: string[]): Promise<string[][]> {
  const { stdout } = await burgeon([...command, '--help']);
  const examples = stdout
    .slice(stdout.search(/\n(?:Examples?|A first run):\n/))
    .matchAll(/^ {2}(?:npx )?burgeon (.+)$/gm);
  return [...examples].map(([, line]) => [...line!.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word));
}

test('examples of the help texts', { timeout: 240_000 }, async () => {
  const { path: at, succeed } = await useWorkspace();
  const text = `ROMEO:\n${someText(20_000)}`;
  await cp(path.join('configs'), at('configs'), { recursive: true });
  await mkdir(at('corpus'));
  await mkdir(at('more', 'deep'), { recursive: true });
  await writeFile(at('book.txt'), text);
  await writeFile(at('prompt.txt'), 'the old river\n');
  await writeFile(
    at('questions.jsonl'),
    `${JSON.stringify({ ctx: 'the old river', endings: ['sings.', 'bird.'], label: 0 })}\n`,
  );
  await writeFile(at('corpus', 'a.md'), text);
  await writeFile(at('more', 'deep', 'b.jsonl.gz'), gzipSync(`${JSON.stringify({ text })}\n`));
  await mkdir(at('web'));
  const columnData = [{ name: 'content', data: [text], type: 'STRING' as const }];
  await writeFile(at('web', 'a.parquet'), new Uint8Array(parquetWriteBuffer({ columnData })));
  for (const data of ['data/book', 'data/shakespeare']) {
    await succeed(['prepare', 'book.txt', '-o', data, '-t', 'chars']);
  }
  const book = ['data.directory=data/book', 'output=runs/book', 'est.schedule=dense'].flatMap((setting) => [
    '--set',
    setting,
  ]);
  await succeed(['train', 'shakespeare-char', ...book, ...briefly.train!, '--quiet']);

  const examples = [];
  for (const command of [
    [],
    ['init'],
    ['presets'],
    ['prepare'],
    ['plan'],
    ['train'],
    ['sweep'],
    ['report'],
    ['compare'],
    ['eval'],
    ['sample'],
    ['inspect'],
    ['export'],
    ['bench'],
  ]) {
    const found = await examplesOf(...command);
    expect(found.length, command.join()).toBeGreaterThan(0);
    examples.push(...found);
  }
  for (const args of examples) {
    // Two of them train the same; the later one takes the place of the other.
    const place = args[0] === 'train' && !args.includes('--resume') ? ['--overwrite'] : [];
    const [given, source] = args.includes('<') ? [args.slice(0, args.indexOf('<')), args.at(-1)!] : [args];
    const stdin = source === undefined ? {} : { stdin: await readFile(at(source)) };
    const env = { BURGEON_THREADS: '2' };
    await succeed([...given, ...place, ...(briefly[args[0]!] ?? [])], { env, ...stdin });
  }
});
