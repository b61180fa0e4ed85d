// Every burgeon command that the documentation shows. Those on lines of their own are typed, in the order of their page, in a
// directory that holds what they speak of; training is cut to a few steps, which decides nothing. All of them, those within
// sentences too, have commands and options that exist. docs/tutorial.md and docs/sweeps.md have tests of their own.

import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { commands } from '../../lib/cli/commands.ts';
import { Model } from '../../lib/model/model.ts';
import { packageRoot } from '../../lib/package.ts';
import { main } from '../helpers/cli.ts';
import { someText } from '../train/helpers.ts';

const docs = (await readdir(path.join(packageRoot, 'docs'))).filter((name) => name.endsWith('.md'));
const pages = await Promise.all(
  ['README.md', 'CONTRIBUTING.md', 'configs/README.md', ...docs.map((name) => `docs/${name}`)].map(async (name) => ({
    name,
    text: await readFile(path.join(packageRoot, name), 'utf8'),
  })),
);

/** Words of the command, behind what it is fed by. */
const wordsOf = (line: string) => line.slice(line.indexOf('burgeon ')).split(' ');

/** Command lines of a page, without what is said about them. */
function linesOf(text: string): string[] {
  const lines = text.matchAll(/^(?: {4})?(?:npx )?((?:echo "[^"]*" \| )?burgeon [a-z]+.*?)(?: +#.*| {2,}.*)?$/gm);
  return [...lines].map(([, line]) => line!).filter((line) => Object.hasOwn(commands, wordsOf(line)[1]!));
}

/** Commands within sentences, where they have more than a name. */
const spansOf = (text: string) => [...text.matchAll(/`(?:npx )?(burgeon [a-z]+ [^`]+)`/g)].map(([, line]) => line!);

/** Every option with a long name or a short one that a command line uses. */
const optionsOf = (line: string) =>
  [...line.replaceAll(/"[^"]*"|'[^']*'/g, '').matchAll(/ (--?[a-z][\w-]*)/gi)].map(([, option]) => option!);

describe('commands and options exist', () => {
  const all = pages.flatMap(({ name, text }) => [...linesOf(text), ...spansOf(text)].map((line) => ({ name, line })));
  test('many are found', () => expect(all.length).toBeGreaterThan(90));
  test.each(all)('$name: $line', async ({ line }) => {
    const [, name, sub] = wordsOf(line);
    const load = commands[name!];
    expect(load, `burgeon ${name}`).toBeDefined();
    const command = await load!();
    const inner = command.commands.find((each) => each.name() === sub);
    const known = [command, ...(inner ? [inner] : [])].flatMap(({ options }) =>
      options.flatMap(({ short, long, negate }) => [short, long, negate ? long : undefined]),
    );
    for (const option of optionsOf(line)) expect(known.concat('--help'), line).toContain(option);
  });
});

test('scripts of package.json that the documentation names exist', async () => {
  const { scripts } = JSON.parse(await readFile(path.join(packageRoot, 'package.json'), 'utf8'));
  const named = pages.flatMap(({ text }) => [...text.matchAll(/npm run ([a-z][\w:]*\w)/g)].map(([, name]) => name!));
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
});

/** Pages with a test of their own. */
const elsewhere = ['docs/tutorial.md', 'docs/sweeps.md'];

/**
 * Lines that want hardware, or are minutes of measuring or compiling: test/cli/bench.test.ts and test/cuda run them on small models,
 * test/package builds.
 */
const isTooMuch = (line: string) => /^burgeon (bench|sweep|build) ?|--device cuda|--gpus /.test(line);

/**
 * Training cut to a few steps. A run that goes on goes on by two; others, and exports, take the place of those before them on the page,
 * which are alternatives.
 */
function briefly(line: string, resumed: number): string {
  const exported = /^burgeon export .*-o (\S+)/.exec(line)?.[1];
  if (exported !== undefined) return `rm -rf ${exported}; ${line}`;
  // It serves until a signal ends it.
  if (/^burgeon dashboard/.test(line)) {
    return `rm -f out; ${line} --port 0 > out & until grep -qs Ctrl-C out; do sleep 0.1; done; kill $!; wait $!`;
  }
  if (!/^burgeon train /.test(line)) return line;
  const steps = line.includes('--resume') ? 2 + 2 * resumed : 2;
  const place = line.includes('--resume') ? '' : ' --overwrite';
  const anyPort = line.replace(/--dashboard(?! \d)/, '--dashboard 0');
  return `${anyPort}${place} --set steps=${steps} --set evaluation.windows=2`;
}

let directory: string;
/** What all pages begin with. */
let base: string;

const execute = (line: string, cwd: string) =>
  promisify(execFile)('bash', ['-c', line], {
    cwd,
    env: { ...process.env, BURGEON_THREADS: '1', PATH: `${path.join(directory, 'bin')}:${process.env.PATH}` },
  });

const train = (output: string, settings: object = {}) => ({
  model: { preset: 'gpt2-tiny', nLayer: 6, nEmbd: 32, contextLength: 16 },
  data: { directory: 'data/book' },
  est: { schedule: 'dense' },
  ...{ output, steps: 2, batchSize: 4, evaluation: { windows: 2 }, log: { peakFlops: 1e11 } },
  checkpoint: { every: 1 },
  ...settings,
});

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'burgeon-docs-'));
  const bin = path.join(directory, 'bin', 'burgeon');
  await mkdir(path.dirname(bin));
  await writeFile(bin, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
  await chmod(bin, 0o755);
  base = path.join(directory, 'base');
  await writeInputs(base);
  await execute('burgeon prepare book.txt -o data/book -t chars', base);
  await execute('burgeon prepare book.txt -o data/shakespeare -t chars', base);
  await execute('burgeon train book.yaml --quiet', base);
  for (const name of ['dense', 'est']) await execute(`burgeon train ${name}.yaml --quiet`, base);
  await execute('burgeon train llama.yaml --quiet', base);
  await execute('burgeon export runs/book -o path/to/gpt2', base);
  await copyRuns(base);
}, 120_000);
afterAll(() => rm(directory, { recursive: true }));

async function writeInputs(at: string): Promise<void> {
  const text = `ROMEO:\n${someText(20_000)}`;
  const write = async (name: string, content: string | Uint8Array) => {
    await mkdir(path.dirname(path.join(at, name)), { recursive: true });
    await writeFile(path.join(at, name), content);
  };
  for (const name of ['book.txt', 'plays.txt', 'tinyshakespeare.txt', 'corpus/a.md']) await write(name, text);
  await write('more/a.jsonl', `${JSON.stringify({ text })}\n`);
  await write('more/deep/b.jsonl.gz', gzipSync(`${JSON.stringify({ text })}\n`));
  const columnData = [{ name: 'content', data: [text], type: 'STRING' as const }];
  await write('web/a.parquet', new Uint8Array(parquetWriteBuffer({ columnData })));
  const question = { ctx: 'the old river', endings: ['sings.', 'bird.'], label: 0 };
  await write('hellaswag_val.jsonl', `${JSON.stringify(question)}\n`);
  await write('book.yaml', stringify(train('runs/book')));
  await write('next.yaml', stringify(train('runs/next', { model: undefined })));
  await write('dense.yaml', stringify(train('runs/dense')));
  await write('est.yaml', stringify(train('runs/est', { est: { schedule: 'est-gpt2' } })));
  const llama = { architecture: 'llama', nLayer: 4, nHead: 8, nKvHead: 4, nEmbd: 128, contextLength: 64 };
  await write('llama.yaml', stringify(train('runs/llama', { model: llama, data: { directory: 'data/shakespeare' } })));
  // With GPT-2's vocabulary, as models of llm.c have it.
  using model = await Model.create({ nLayer: 1, nHead: 1, nEmbd: 8, contextLength: 16, vocabSize: 50257 });
  await model.save(path.join(at, 'gpt2-small'));
}

/** The runs that pages speak of. */
async function copyRuns(at: string): Promise<void> {
  await execute('burgeon export gpt2-small -o model_00019560.bin --format llmc', at);
  await mkdir(path.join(at, 'shards'));
  for (const name of await readdir(path.join(at, 'data', 'book'))) {
    if (name.endsWith('.bin')) await cp(path.join(at, 'data', 'book', name), path.join(at, 'shards', name));
  }
  const copy = (from: string, to: string) =>
    cp(path.join(at, 'runs', from), path.join(at, 'runs', to), { recursive: true });
  for (const name of ['gpt2', 'shakespeare-char']) await copy('book', name);
  for (const name of ['est-1', 'est-2']) await copy('est', name);
  for (const steps of [1500, 1100, 750, 500]) await copy('dense', `dense-${steps}-1`);
}

describe.concurrent('work as they stand', () => {
  const wanted = pages
    .filter(({ name }) => !elsewhere.includes(name))
    .map(({ name, text }) => ({ name, lines: linesOf(text).filter((line) => !isTooMuch(line)) }))
    .filter(({ lines }) => lines.length > 0);
  test.each(wanted)('$name', { timeout: 240_000 }, async ({ name, lines }) => {
    const cwd = path.join(directory, name.replaceAll(/\W/g, '-'));
    await cp(base, cwd, { recursive: true });
    let resumed = 0;
    for (const line of lines) {
      if (line.includes('--resume')) resumed++;
      await expect(execute(briefly(line, resumed), cwd), line).resolves.toBeDefined();
    }
  });
});
