import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { parseArray } from '../../lib/prepare/json-array.ts';
import { readText } from '../../lib/prepare/text-reader.ts';
import { Utf8Decoder } from '../../lib/prepare/utf8-decoder.ts';
import { useTempDirectory } from '../data/temp-directory.ts';
import { documentsOf } from './documents-of.ts';

const temp = useTempDirectory();

describe('Utf8Decoder', () => {
  const blocks = fc.array(fc.uint8Array({ maxLength: 12 }), { maxLength: 6 });
  // Bytes that make and break UTF-8 sequences far more often than random ones.
  const nasty = fc.constantFrom(0x61, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0xa4, 0xaf, 0xed, 0xa0, 0xff, 0xc0);
  const nastyBlocks = fc.array(
    fc.array(nasty, { maxLength: 8 }).map((bytes) => Uint8Array.from(bytes)),
    { maxLength: 6 },
  );

  it('decodes blocks as it would the whole, for any bytes', () => {
    fc.assert(
      fc.property(fc.oneof(blocks, nastyBlocks), (parts) => {
        const decoder = new Utf8Decoder();
        const text = parts.map((part) => decoder.push(Buffer.from(part))).join('') + decoder.end();
        expect(text).toBe(Buffer.concat(parts).toString('utf8'));
        expect(decoder.invalid).toBe(text.split('\uFFFD').length - 1);
      }),
      { numRuns: 1000 },
    );
  });

  it('does not count a U+FFFD that the text has', () => {
    const decoder = new Utf8Decoder();
    const bytes = Buffer.concat([Buffer.from('\uFFFDé'), Buffer.of(0xff), Buffer.from('\uFFFD')]);
    expect(decoder.push(bytes) + decoder.end()).toBe('\uFFFDé\uFFFD\uFFFD');
    expect(decoder.invalid).toBe(1);
  });
});

describe('readText', () => {
  async function read(bytes: Uint8Array | string, blockBytes: number) {
    const path = await temp.write('text.txt', bytes);
    let invalid = 0;
    let nBytes = 0;
    const pieces: string[] = [];
    const onInvalid = (count: number) => {
      invalid += count;
    };
    const onRead = (count: number) => {
      nBytes += count;
    };
    for await (const piece of readText(path, { onInvalid, onRead, blockBytes })) pieces.push(piece);
    return { text: pieces.join(''), invalid, nBytes, pieces };
  }

  it('gives the text in pieces and counts bytes', async () => {
    expect(await read('aé🤯z', 3)).toEqual({ text: 'aé🤯z', invalid: 0, nBytes: 8, pieces: ['aé', '🤯z'] });
  });

  it('drops a byte order mark at the start only, even one cut by blocks', async () => {
    expect((await read('\uFEFFa\uFEFFb', 2)).text).toBe('a\uFEFFb');
    expect((await read('\uFEFF', 100)).text).toBe('');
  });

  it('replaces and counts invalid bytes, even at the end', async () => {
    const bytes = Buffer.concat([Buffer.from('a'), Buffer.of(0xff), Buffer.from('b'), Buffer.of(0xe2, 0x82)]);
    expect(await read(bytes, 2)).toMatchObject({ text: 'a\uFFFDb\uFFFD', invalid: 2 });
  });

  it('refuses binary files and reports missing ones', async () => {
    await expect(read(Buffer.from('PK\x03\x04\0\0'), 100)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_BURGEON_DATA',
        message: expect.stringMatching(/text\.txt: expected UTF-8 text, found a zero byte at offset 4/),
      }),
    );
    await expect(documentsOf(temp.path('missing.txt'))).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringContaining('cannot be read') }),
    );
  });
});

describe('readDocuments', () => {
  it('takes a text file for one document, whatever its size', async () => {
    const text = 'line one\nline two ünï\n'.repeat(50);
    const path = await temp.write('a.d.ts', text);
    expect(await documentsOf(path, { blockBytes: 7 })).toEqual([text]);
    expect(await documentsOf(await temp.write('empty.txt', ''))).toEqual(['']);
  });

  it('splits on a delimiter like String.split, wherever blocks end', async () => {
    const text = fc
      .array(fc.constantFrom('a', 'b', '🤯', 'ab', 'aab'), { maxLength: 30 })
      .map((parts) => parts.join(''));
    const delimiter = fc.constantFrom('a', 'ab', 'aa', 'aba', '🤯', 'b🤯a');
    await fc.assert(
      fc.asyncProperty(text, delimiter, fc.integer({ min: 1, max: 9 }), async (value, mark, blockBytes) => {
        const path = await temp.write('d.txt', value);
        expect(await documentsOf(path, { delimiter: mark, blockBytes })).toEqual(value.split(mark));
      }),
      { numRuns: 200 },
    );
  });

  it('reads one document per line of .jsonl, wherever blocks end', async () => {
    const texts = ['first', 'with\nnewline and "quotes" 🤯', '', 'x'.repeat(100)];
    const lines = texts.map((text, i) => JSON.stringify({ id: i, text, extra: [1] }));
    const content = `${lines[0]}\r\n\n${lines[1]}\n  \n${lines[2]}\n${lines[3]}`;
    const path = await temp.write('a.jsonl', content);
    for (const blockBytes of [1, 5, 1000]) expect(await documentsOf(path, { blockBytes })).toEqual(texts);
    expect(await documentsOf(await temp.write('A.JSONL', `${content}\n`), { delimiter: 'x' })).toEqual(texts);
  });

  it.each(['a.ndjson', 'a.json', 'A.NDJSON'])('reads one document per line of %s', async (name) => {
    const lines = ['{"text": "first"}', '', '{"id": 2, "text": "second [1]"}'];
    for (const blockBytes of [1, 1000]) {
      expect(await documentsOf(await temp.write(name, lines.join('\n')), { blockBytes })).toEqual([
        'first',
        'second [1]',
      ]);
    }
  });

  it('reads one document per element of an array in .json, however it is laid out', async () => {
    const texts = ['first', 'with\nnewline 🤯', '', 'x'.repeat(600_000)];
    const values = texts.map((text, id) => ({ id, text }));
    for (const content of [JSON.stringify(values), `\uFEFF \n\n${JSON.stringify(values, null, 2)}\n`]) {
      expect(await documentsOf(await temp.write('a.json', content), { blockBytes: 1000 })).toEqual(texts);
    }
    expect(await documentsOf(await temp.write('b.json', '[]'))).toEqual([]);
    expect(
      await documentsOf(await temp.write('c.json.gz', gzipSync('[{"body": "z"}]')), { textColumn: 'body' }),
    ).toEqual(['z']);
    expect(await documentsOf(await temp.write('d.ndjson.gz', gzipSync('{"text": "g"}\n')))).toEqual(['g']);
  });

  it.each([
    ['[{"text": "a"}, {"body": "b"}]', /a\.json, element 2: expected a JSON object.*"text" is missing.*--text-column/],
    ['[{"text": "a"}', /a\.json: expected a JSON array, but .*one object per line/],
    ['[1, 2]\n[3]', /expected a JSON array, but/],
    ['{\n  "text": "a"\n}', /a\.json:1: expected a JSON object.*as one array of objects.*rename it to \.txt/],
    ['{"name": "package"}', /a\.json:1: .*"text" is missing.*rename it to \.txt to have the JSON itself as text/],
    ['"text"', /a\.json:1: .*is missing/],
  ])('reports the .json file %j', async (content, message) => {
    await expect(documentsOf(await temp.write('a.json', content))).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_BURGEON_DATA', message: expect.stringMatching(message) }),
    );
  });

  it('limits what is parsed as a whole', async () => {
    async function* pieces() {
      for (let i = 0; i < 3; i++) yield '[1234567';
    }
    await expect(parseArray('a.json', pieces(), 20)).rejects.toThrow(
      /a\.json: expected a JSON array of at most 20 characters, found more.*jq -c/,
    );
  });

  it('replaces and counts half surrogate pairs in .jsonl', async () => {
    let invalid = 0;
    const path = await temp.write('a.jsonl', '{"text": "a\\ud83e b \\ud83e\\udd2f"}');
    const onInvalid = (count: number) => {
      invalid += count;
    };
    expect(await documentsOf(path, { onInvalid })).toEqual(['a\uFFFD b 🤯']);
    expect(invalid).toBe(1);
  });

  it.each([
    ['{"text": "a"', 'JSON'],
    ['{"body": "a"}', 'its field "text" is missing'],
    ['{"text": 7}', 'its field "text" is of type number'],
    ['{"text": null}', 'its field "text" is null'],
    ['["text"]', 'its field "text" is missing'],
    ['null', 'its field "text" is missing'],
  ])('reports the bad line %s', async (line, problem) => {
    const path = await temp.write('bad.jsonl', `{"text": "good"}\n\n${line}\n`);
    await expect(documentsOf(path)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_BURGEON_DATA',
        message: expect.stringMatching(new RegExp(`bad\\.jsonl:3: expected a JSON object.*${problem}`)),
      }),
    );
  });
});
