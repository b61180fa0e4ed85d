import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type TrainTokenizerOptions, trainTokenizer } from '../../lib/prepare/train-tokenizer.ts';
import { createGpt2Tokenizer } from '../../lib/tokenizer/gpt2.ts';
import { readTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import { useTempDirectory } from '../data/temp-directory.ts';

const { path } = useTempDirectory();
const train = (options: Partial<TrainTokenizerOptions>) =>
  trainTokenizer({ inputs: ['README.md'], output: path('out'), vocabSize: 600, ...options });

describe('trainTokenizer', () => {
  it('learns from real text what encodes it in fewer tokens', async () => {
    const phases: string[] = [];
    const trained = await train({ vocabSize: 600, onProgress: ({ phase }) => phases.push(phase) });
    const text = await readFile('README.md', 'utf8');
    expect(trained).toMatchObject({ vocabSize: 600, merges: 343, bytes: Buffer.byteLength(text) });
    expect(phases[0]).toBe('read');
    const tokenizer = await readTokenizer(path('out'));
    expect(tokenizer).toMatchObject({ name: 'huggingface', vocabSize: 600, endOfText: 599 });
    const tokens = tokenizer.encode(text);
    expect(tokenizer.decode(tokens)).toBe(text);
    expect(tokens.length).toBeLessThan(0.5 * trained.bytes);
    expect(tokens).not.toContain(599);
    expect(tokenizer.decode(tokenizer.encode('漢🤯\0'))).toBe('漢🤯\0');
  });

  it('writes the files of GPT-2, with its order of bytes', async () => {
    const { files } = await train({ vocabSize: 300 });
    expect((await readdir(path('out'))).sort()).toEqual([...files].sort());
    const own = new Set(Object.keys(createGpt2Tokenizer().files()));
    for (const name of files) expect(own).toContain(name);
    const vocab = JSON.parse(await readFile(join(path('out'), 'vocab.json'), 'utf8'));
    expect(vocab).toMatchObject({ '!': 0, Ġ: 220, '<|endoftext|>': 299 });
    const merges = (await readFile(join(path('out'), 'merges.txt'), 'utf8')).trimEnd().split('\n');
    expect(merges[0]).toBe('#version: 0.2');
    expect(merges).toHaveLength(1 + 299 - 256);
    expect(vocab[merges[1]!.replace(' ', '')]).toBe(256);
  });

  it('gives the same files for the same text, in any order and any pieces', async () => {
    const text = await readFile('docs/method.md', 'utf8');
    const half = text.indexOf('\n', text.length / 2);
    await writeFile(path('b.txt'), text.slice(0, half));
    await writeFile(path('a.txt'), text.slice(half));
    await writeFile(
      path('c.jsonl'),
      `${JSON.stringify({ text: text.slice(half) })}\n${JSON.stringify({ text: text.slice(0, half) })}`,
    );
    await train({ inputs: [path('a.txt'), path('b.txt')] });
    const first = await readFile(path('out', 'tokenizer.json'), 'utf8');
    await train({ inputs: [path('c.jsonl')] });
    expect(await readFile(path('out', 'tokenizer.json'), 'utf8')).toBe(first);
    // A delimiter is no text.
    await writeFile(path('d.txt'), `${text.slice(0, half)}<|endoftext|>${text.slice(half)}`);
    await train({ inputs: [path('d.txt')], delimiter: '<|endoftext|>' });
    expect(await readFile(path('out', 'tokenizer.json'), 'utf8')).toBe(first);
  });

  it('stops where no pair is frequent enough', async () => {
    await writeFile(path('few.txt'), 'ab ab cd');
    expect(await train({ inputs: [path('few.txt')] })).toMatchObject({ vocabSize: 256 + 2, merges: 1 });
    expect(await train({ inputs: [path('few.txt')], minFrequency: 3 })).toMatchObject({ vocabSize: 257, merges: 0 });
    const tokenizer = await readTokenizer(path('out'));
    expect(tokenizer.encode('ab')).toHaveLength(2);
    expect(await train({ inputs: [path('few.txt')], minFrequency: 1 })).toMatchObject({ merges: 4 });
  });

  it('ends early when it is told to, or a listener throws, and leaves nothing', async () => {
    // Words of which no two are alike: minutes of merges.
    const words = Array.from({ length: 300_000 }, (_, i) => ((i * 2_654_435_761) >>> 0).toString(36));
    await writeFile(path('words.txt'), words.join(' '));
    const learn = (options: Partial<TrainTokenizerOptions>) =>
      train({ inputs: [path('words.txt')], vocabSize: 2 ** 20, minFrequency: 1, ...options });
    const controller = new AbortController();
    const onProgress = ({ phase }: { phase: string }) => phase === 'merge' && controller.abort();
    await expect(learn({ signal: controller.signal, onProgress })).rejects.toMatchObject({ name: 'AbortError' });
    const thrown = new Error('not mine');
    const fail = ({ phase }: { phase: string }) => {
      if (phase === 'merge') throw thrown;
    };
    await expect(learn({ onProgress: fail })).rejects.toBe(thrown);
    await expect(learn({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    expect(await readdir(path('.'))).toEqual(['words.txt']);
  });

  it('refuses bad options, and leaves what is not a tokenizer', async () => {
    const config = (message: string) => expect.objectContaining({ code: 'ERR_BURGEON_CONFIG', message });
    await expect(train({ vocabSize: 256 })).rejects.toThrow(
      config('vocabSize: expected an integer from 257 (the bytes and <|endoftext|>) to 16777216, received 256'),
    );
    await expect(train({ minFrequency: 0 })).rejects.toThrow(/minFrequency: expected an integer of at least 1/);
    await expect(train({ delimiter: '' })).rejects.toThrow(/delimiter/);
    await expect(train({ inputs: ['nosuch.txt'] })).rejects.toThrow(/nosuch\.txt: no such file/);
    await writeFile(path('empty.txt'), '');
    await expect(train({ inputs: [path('empty.txt')] })).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringContaining('expected some text') }),
    );
    await mkdir(path('mine'));
    await writeFile(path('mine', 'notes.txt'), 'keep');
    await expect(train({ output: path('mine') })).rejects.toThrow(
      /expected a new directory or a tokenizer to replace, found other files \(notes\.txt\)/,
    );
    expect(await readdir(path('mine'))).toEqual(['notes.txt']);
  });
});
