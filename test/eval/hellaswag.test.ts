// Questions as JSON lines.

import { describe, expect, test } from 'vitest';
import { parseRecord, readHellaSwag } from '../../lib/eval/hellaswag.ts';
import { createTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import { useTempDirectory } from '../data/temp-directory.ts';

const temp = useTempDirectory();
const bytes = createTokenizer({ name: 'bytes' });
const parse = (record: unknown) => parseRecord(JSON.stringify(record));

describe('a record', () => {
  test('with ctx alone is taken as it is', () => {
    const endings = ['[one]  two', ' three '];
    expect(parse({ ctx: ' [header] A  text. ', endings, label: 1 })).toEqual({
      context: ' [header] A  text. ',
      endings,
      label: 1,
    });
  });

  // What lm-evaluation-harness 0.4.13 makes of the same records.
  test.each([
    [
      {
        activity_label: 'How to tie a knot',
        ctx_a: '[header] How to tie a knot [title] Take a rope. [step] Make sure it is long  enough.',
        ctx_b: '',
        endings: ['[substeps] Lay it flat.   Then wait. ', 'Hold [both] ends [title] Pull.'],
      },
      'How to tie a knot: How to tie a knot. Take a rope. Make sure it is long enough.',
      [' Lay it flat.  Then wait.', 'Hold ends. Pull.'],
    ],
    [
      {
        activity_label: 'Cooking',
        ctx_a: 'A man stands in a kitchen.',
        ctx_b: 'the MAN, of Rome,',
        endings: ['cuts an onion.', '[title]', '\u00a0flies [away\nagain] over \u00c9vian.\u3000'],
      },
      'Cooking: A man stands in a kitchen. The man, of rome,',
      ['cuts an onion.', '', 'flies [away\nagain] over Évian.'],
    ],
    [
      { activity_label: 'Étude', ctx_a: 'Σ x', ctx_b: 'éCOLE ΟΔΥΣΣΕΥΣ', endings: ['a', ' b '] },
      'Étude: Σ x École οδυσσευς',
      ['a', 'b'],
    ],
  ])('with ctx_a and ctx_b is cleaned as in lm-evaluation-harness: %#', (record, context, endings) => {
    const ctx = 'ignored, as the harness does';
    expect(parse({ ...record, ctx, label: '0' })).toEqual({ context, endings, label: 0 });
  });

  test.each([
    [{ endings: ['a', 'b'], label: 0 }, 'ctx: expected a string, or strings ctx_a and ctx_b, found nothing'],
    [{ ctx: 3, endings: ['a', 'b'], label: 0 }, 'ctx: expected a string, or strings ctx_a and ctx_b, found 3'],
    [{ ctx: 'x', label: 0 }, 'endings: expected a list of two or more texts, none empty, found nothing'],
    [{ ctx: 'x', endings: ['a'], label: 0 }, 'endings: expected a list of two or more texts, none empty, found ["a"]'],
    [{ ctx: 'x', endings: ['a', ''], label: 0 }, 'none empty, found ["a",""]'],
    [{ ctx: 'x', endings: ['a', 'b'], label: 2 }, 'label: expected the index of an ending, 0 to 1, found 2'],
    [{ ctx: 'x', endings: ['a', 'b'], label: '' }, 'label: expected the index of an ending, 0 to 1, found ""'],
    [{ ctx: 'x', endings: ['a', 'b'], label: 0.5 }, '0 to 1, found 0.5'],
    [['x'], 'expected a JSON object, found ["x"]'],
    [null, 'expected a JSON object, found null'],
  ])('%j is refused', (record, message) => {
    expect(() => parse(record)).toThrow(message);
  });
});

describe('a file', () => {
  const line = (ctx: string, label = 0) => JSON.stringify({ ctx, endings: ['über', 'b'], label });

  const write = (content: string | Buffer) => temp.write('questions.jsonl', content);

  test('gives questions as tokens; the space between is scored and not counted', async () => {
    const file = await write(`\ufeff${line('Die Tür')}\r\n\n${line('the door', 1)}`);
    const questions = await readHellaSwag(file, bytes);
    expect(questions.map(({ place, label }) => [place, label])).toEqual([
      [`${file}:1`, 0],
      [`${file}:3`, 1],
    ]);
    expect(bytes.decode(questions[0]!.context)).toBe('Die Tür');
    expect(questions[0]!.endings.map((ending) => [bytes.decode(ending.tokens), ending.bytes])).toEqual([
      [' über', 5],
      [' b', 1],
    ]);
  });

  test('is read up to the limit', async () => {
    const file = await write(`${line('one')}\n${line('two')}\n{`);
    expect(await readHellaSwag(file, bytes, { limit: 2 })).toHaveLength(2);
    await expect(readHellaSwag(file, bytes)).rejects.toThrow(`${file}:3: expected a JSON object, but `);
  });

  test.each([
    ['', ': expected questions, one JSON object per line, found none'],
    [Buffer.concat([Buffer.from(`${line('one')}\n`), Buffer.of(0x22, 0xff)]), ':2: expected UTF-8 text'],
    [`${line('one')}\n${line('two', 7)}\n`, ':2: label: expected the index of an ending, 0 to 1, found 7'],
    [`${line('one')}\n${line('')}\n`, ':2: context: expected text, found none'],
  ])('damage is named with its line: %#', async (content, message) => {
    const file = await write(content);
    await expect(readHellaSwag(file, bytes)).rejects.toMatchObject({
      code: 'ERR_BURGEON_DATA',
      message: expect.stringContaining(file + message),
    });
  });

  test('text that the vocabulary lacks is named with its line', async () => {
    const file = await write(line('abc'));
    const tokenizer = createTokenizer({ name: 'chars', characters: ['a', 'b'] });
    await expect(readHellaSwag(file, tokenizer)).rejects.toThrow(`${file}:1: character "c" (U+0063)`);
  });

  test('that is not there', async () => {
    await expect(readHellaSwag('none.jsonl', bytes)).rejects.toMatchObject({
      code: 'ERR_BURGEON_DATA',
      message: expect.stringContaining('none.jsonl: cannot be read'),
    });
  });
});
