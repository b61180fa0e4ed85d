// Questions in llm.c's binary format.

import { writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { openTokenFile } from '../../lib/data/token-file.ts';
import { readLlmcEvalFile } from '../../lib/eval/llmc-eval-file.ts';
import { createTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import { useTempDirectory } from '../data/temp-directory.ts';
import { llmcEvalFile } from '../helpers/llmc-eval-file.ts';

const temp = useTempDirectory();
const gpt2 = createTokenizer({ name: 'gpt2' });
const tokens = (text: string) => [...gpt2.encode(text)];
const examples = [
  { label: 2, context: tokens('A boy is running'), endings: [' down a track.', ' away', ' fast.', 'so'].map(tokens) },
  { label: 0, context: tokens('The river'), endings: [tokens(' sings'), tokens(' naïvely')] },
];
const intact = llmcEvalFile(examples);
const options = { vocabSize: 50257 };

const write = (bytes: Buffer) => temp.write('hellaswag_val.bin', bytes);

describe('readLlmcEvalFile', () => {
  test('gives the examples; bytes of an ending without its space', async () => {
    const file = await write(intact);
    const questions = await readLlmcEvalFile(file, { ...options, tokenizer: gpt2 });
    const plain = ({ label, context, endings }: (typeof questions)[number]) => ({
      label,
      context: [...context],
      endings: endings.map((ending) => [...ending.tokens]),
    });
    expect(questions.map(plain)).toEqual(examples);
    expect(questions.map(({ endings }) => endings.map(({ bytes }) => bytes))).toEqual([
      ['down a track.'.length, 4, 5, 2],
      [5, 8],
    ]);
    expect(questions[0]!.place).toBe(`${file}: example 0 (offset 1024)`);
  });

  test('without a tokenizer the bytes are not known', async () => {
    const questions = await readLlmcEvalFile(await write(intact), options);
    expect(questions[1]!.endings.map(({ bytes }) => bytes)).toEqual([undefined, undefined]);
  });

  test('reads up to the limit, and does not mind what comes after', async () => {
    const cut = intact.subarray(0, intact.length - 2);
    expect(await readLlmcEvalFile(await write(cut), { ...options, limit: 1 })).toHaveLength(1);
    expect(await readLlmcEvalFile(await write(intact), { ...options, limit: 9 })).toHaveLength(2);
  });

  const second = 1024 + intact.readUInt16LE(1026);
  const with16 = (offset: number, value: number) => {
    const bytes = Buffer.from(intact);
    bytes.writeUInt16LE(value, offset);
    return bytes;
  };
  const with32 = (offset: number, value: number) => {
    const bytes = Buffer.from(intact);
    bytes.writeInt32LE(value, offset);
    return bytes;
  };
  test.each<[string, Buffer, string]>([
    ['empty', Buffer.alloc(0), 'expected an evaluation file of llm.c, which begins with the number 20240522, found 0'],
    ['of another format', with32(0, 20240520), 'found 20240520; questions as text need the extension .jsonl'],
    ['of a later version', with32(4, 2), "expected version 1 of llm.c's evaluation format, found version 2"],
    ['with half a header', intact.subarray(0, 512), 'expected the 1024 header bytes'],
    ['without examples', with32(8, 0), 'expected at least one example, its header announces 0'],
    ['with a negative number of examples', with32(8, -1), 'its header announces -1'],
    [
      'cut off',
      intact.subarray(0, -2),
      `at offset ${intact.length - 2} expected more of an example, found the end of the file after ${intact.length - 2} bytes`,
    ],
    ['cut inside a number', intact.subarray(0, -1), `at offset ${intact.length - 2} expected more of an example`],
    ['that announces more', with32(8, 3), `at offset ${intact.length} expected more of an example`],
    ['that announces less', with32(8, 1), `at offset ${second} expected the end of the file after 1 examples`],
    ['without a start', with16(second, 7), `at offset ${second} expected 65535, the start of an example, found 7`],
    ['with another size', with16(second + 2, 4), `at offset ${second + 2} expected the size of the example`],
    ['out of order', with16(second + 4, 5), `at offset ${second + 4} expected 1, the index of the example, found 5`],
    ['with a bad label', with16(second + 6, 2), `at offset ${second + 6} expected a label below 2, found 2`],
    ['with one ending', with16(second + 8, 1), `at offset ${second + 8} expected two or more completions, found 1`],
    ['without context', with16(second + 10, 0), `at offset ${second + 10} expected at least one token, found none`],
    ['with a bad token', with16(second + 12, 50257), `at offset ${second + 12} expected a token in [0, 50257)`],
  ])('%s', async (_, bytes, message) => {
    const file = await write(bytes);
    await expect(readLlmcEvalFile(file, options)).rejects.toMatchObject({
      code: 'ERR_BURGEON_DATA',
      message: expect.stringMatching(`^${file}: `),
    });
    await expect(readLlmcEvalFile(file, options)).rejects.toThrow(message);
  });

  test('any damaged byte is an error or another question, never a crash', async () => {
    const file = await write(intact);
    for (let at = 0; at < intact.length; at++) {
      if (at >= 12 && at < 1024) continue;
      const bytes = Buffer.from(intact);
      bytes[at]! ^= 0xff;
      await writeFile(file, bytes);
      const outcome = await readLlmcEvalFile(file, { ...options, tokenizer: gpt2 }).catch((error) => error.code);
      expect(outcome === 'ERR_BURGEON_DATA' || outcome.length === 2, `byte ${at}: ${outcome}`).toBe(true);
    }
  });
});

test('as a token shard it is refused, with what to do', async () => {
  await expect(openTokenFile(await write(intact))).rejects.toThrow(
    'this is an evaluation file of llm.c, which is read by `burgeon eval --choices`',
  );
});
