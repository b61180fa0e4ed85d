// Every kind of tokenizer against the tokenizers library, which transformers uses: `npm run test:interop`. Needs a Python with
// it, BURGEON_PYTHON or python3; without one all of it is skipped, and says so. BURGEON_WRITE_GOLDEN=1 writes what it answers on
// the texts of test/tokenizer/kinds.ts to test/golden/tokenizers.json.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CounterRng } from '../../lib/est/rng.ts';
import { createTokenizer, readTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import { type Kind, kinds, texts, withoutSpecials } from '../tokenizer/kinds.ts';
import { encodeOrRefuse, makeKind, streamed } from '../tokenizer/tokens-of.ts';

const python = process.env.BURGEON_PYTHON ?? 'python3';
const version = tokenizersVersion();
const hasTransformers = version !== undefined && runs('import transformers');
if (version === undefined) {
  console.warn(`interop: tokenizers skipped, because ${python} has no tokenizers; set BURGEON_PYTHON`);
}

function tokenizersVersion(): string | undefined {
  try {
    const print = 'import tokenizers; print(tokenizers.__version__)';
    return execFileSync(python, ['-c', print], { stdio: 'pipe', encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

function runs(code: string): boolean {
  try {
    execFileSync(python, ['-c', code], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

interface Case {
  encode: object;
  decode: object;
  cleanUp: boolean;
  texts: readonly string[];
  tokens: readonly (readonly number[])[];
}

interface Answer {
  ids: (number[] | null)[];
  texts: (string | null)[];
}

function ask(cases: readonly Case[]): Answer[] {
  const script = path.join(import.meta.dirname, 'encode.py');
  const options = { input: JSON.stringify(cases), maxBuffer: 2 ** 28, stdio: ['pipe', 'pipe', 'pipe'] as 'pipe'[] };
  return JSON.parse(execFileSync(python, ['-B', script], options).toString());
}

const toCase = ({ json, config }: Kind, some: readonly string[], tokens: readonly (readonly number[])[]): Case => ({
  encode: withoutSpecials(json),
  decode: json,
  cleanUp: config?.clean_up_tokenization_spaces === true,
  texts: some,
  tokens,
});

const fragments = [
  ...[' ', ' ', '  ', '\n', '\t', '\r\n', '\u00a0', '\u0085', '\u2028', '\u3000', '\u200b', '\ufeff', '\u000b'],
  ...["'", "'s", "'t", " n't", "'S", '!', '?', '...', ' ,', '_', '-', '\u0301', '▁', '##', '</w>', '<0xE6>'],
  ...[
    'the',
    ' the',
    'hello',
    'unable',
    'know',
    'do not',
    'then',
    'world',
    'é',
    'É',
    'ß',
    'Σ',
    '東',
    '京',
    'Ａ',
    '①',
    'ﬁ',
  ],
  ...[
    'covid',
    '19',
    'covid19',
    '<name>',
    ' name ',
    '<b>',
    '<Name>',
    'COVID19',
    '</s>',
    '<s>',
    '<unk>',
    '[UNK]',
    '<|ü |>',
  ],
  ...[
    '7',
    '42',
    '123456',
    '٣',
    'Ⅷ',
    '½',
    '𝟘',
    'x',
    'Z',
    'a',
    '🤯',
    '👩‍👧',
    '🇦🇨',
    '\u00ad',
    '\u{2b820}',
    '\u0000',
    '\ufffd',
  ],
];

function* randomTexts(count: number): Generator<string> {
  const rng = new CounterRng(1, 7);
  const pick = (most: number) => Math.floor(rng.nextFloat() * most);
  for (let i = 0; i < count; i++) {
    yield Array.from({ length: pick(9) }, () => fragments[pick(fragments.length)]).join('');
  }
}

function* randomTokens(count: number, ids: readonly number[]): Generator<number[]> {
  const rng = new CounterRng(2, 7);
  const pick = (most: number) => Math.floor(rng.nextFloat() * most);
  for (let i = 0; i < count; i++) yield Array.from({ length: 1 + pick(12) }, () => ids[pick(ids.length)]!);
}

function idsOf({ json }: Kind): number[] {
  const { vocab } = json.model as { vocab: Record<string, number> | unknown[] };
  const ids = Array.isArray(vocab) ? vocab.map((_, id) => id) : Object.values(vocab);
  return [...new Set([...ids, ...(json.added_tokens as { id: number }[]).map(({ id }) => id)])];
}

describe.runIf(version).each(Object.entries(kinds))('%s', (name, kind) => {
  const tokenizer = makeKind(kind);
  const all = [...texts, ...randomTexts(400)];
  const tokens = [...randomTokens(400, idsOf(kind))];

  it('is encoded and decoded as by the tokenizers library', () => {
    const [answer] = ask([toCase(kind, all, tokens)]);
    for (const [i, text] of all.entries()) {
      const ids = encodeOrRefuse(tokenizer, text);
      if (typeof ids === 'string') {
        expect(name).toContain('without unk');
        expect(ids).toMatch(/^text: expected what the vocabulary of the tokenizer has tokens for, found /);
      } else expect(ids, JSON.stringify(text)).toEqual(answer!.ids[i]);
    }
    for (const [i, some] of tokens.entries()) {
      const decoded = tokenizer.decode(some);
      expect(decoded, JSON.stringify(some)).toBe(answer!.texts[i]);
      expect(streamed(tokenizer, some), JSON.stringify(some)).toBe(decoded);
    }
  });
});

it.runIf(hasTransformers)('directories of transformers, as they are and as burgeon writes them', async () => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-tokenizers-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const inside = (name: string) => path.join(directory, name);
  const run = (...args: string[]) =>
    execFileSync(python, ['-B', '-W', 'ignore', path.join(import.meta.dirname, 'directories.py'), ...args], {
      stdio: 'pipe',
      encoding: 'utf8',
      env: { ...process.env, HF_HUB_OFFLINE: '1' },
    });
  const write = async (name: string, files: Readonly<Record<string, string>>) => {
    await mkdir(inside(name));
    for (const [file, text] of Object.entries(files)) await writeFile(path.join(inside(name), file), text);
  };
  await write('gpt2', createTokenizer({ name: 'gpt2' }).files());
  run('make', inside('gpt2'), directory);
  for (const name of ['added', 'legacy']) await write(`${name} again`, (await readTokenizer(inside(name))).files());

  const text = 'hello <name> and covid19, <|im_end|> <|endoftext|>the  end';
  const names = ['gpt2', 'added', 'added again', 'legacy', 'legacy again'];
  const answers = JSON.parse(run('ask', text, ...names.map(inside)));
  for (const [i, name] of names.entries()) {
    const tokenizer = await readTokenizer(inside(name));
    const ids = [...tokenizer.encode(text)];
    const found = { ids, text: tokenizer.decode(ids), endOfText: tokenizer.endOfText };
    expect(found, name).toEqual({ ids: answers[i].ids, text: answers[i].text, endOfText: answers[i].endOfText });
  }
  expect(answers[1].template).toContain('message.content');
  expect(answers[2].template).toBe(answers[1].template);
});

it.runIf(version && process.env.BURGEON_WRITE_GOLDEN)('writes the golden file', () => {
  const fixed = (kind: Kind) => [...randomTokens(4, idsOf(kind))];
  const answers = ask(Object.values(kinds).map((kind) => toCase(kind, texts, fixed(kind))));
  const content = Object.fromEntries(
    Object.entries(kinds).map(([name, kind], i) => [
      name,
      {
        ids: answers[i]!.ids.map((ids) => ids?.join(' ') ?? null),
        decoded: fixed(kind).map((tokens, j) => [tokens.join(' '), answers[i]!.texts[j]]),
      },
    ]),
  );
  const file = path.join(import.meta.dirname, '../golden/tokenizers.json');
  writeFileSync(file, `${JSON.stringify({ tokenizers: version, kinds: content }, null, 2)}\n`);
});
