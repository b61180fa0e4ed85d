import { describe, expect, it } from 'vitest';
import { createTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';

describe("GPT-2's files", () => {
  const files = createTokenizer({ name: 'gpt2' }).files();

  it('are the six expected, made once', () => {
    expect(Object.keys(files).sort()).toEqual([
      'burgeon_tokenizer.json',
      'merges.txt',
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer_config.json',
      'vocab.json',
    ]);
    expect(createTokenizer({ name: 'gpt2' }).files()).toBe(files);
    expect(JSON.parse(files['burgeon_tokenizer.json']!)).toEqual({ name: 'gpt2' });
  });

  it('have the published vocabulary', () => {
    const vocab = JSON.parse(files['vocab.json']!);
    expect(Object.keys(vocab)).toHaveLength(50257);
    expect(vocab).toMatchObject({ '!': 0, Ġ: 220, Ċ: 198, Ġthe: 262, Ġgazed: 50255, '<|endoftext|>': 50256 });
    // In the order of ids, though JavaScript objects would put "0" to "9" first.
    expect(files['vocab.json']).toMatch(/^\{"!":0,"\\"":1,"#":2,/);
  });

  it('have the published merges', () => {
    const lines = files['merges.txt']!.split('\n');
    expect(lines.slice(0, 4)).toEqual(['#version: 0.2', 'Ġ t', 'Ġ a', 'h e']);
    expect(lines.slice(-3)).toEqual(['Ġinform ants', 'Ġg azed', '']);
    expect(lines).toHaveLength(50002);
    const vocab = JSON.parse(files['vocab.json']!);
    for (const [i, line] of lines.slice(1, -1).entries()) expect(vocab[line.replace(' ', '')]).toBe(256 + i);
  });

  it('say the same in tokenizer.json', () => {
    const { model, added_tokens, pre_tokenizer, decoder } = JSON.parse(files['tokenizer.json']!);
    expect(model.vocab).toEqual(JSON.parse(files['vocab.json']!));
    expect(model.merges).toEqual(files['merges.txt']!.split('\n').slice(1, -1));
    expect(added_tokens).toEqual([expect.objectContaining({ id: 50256, content: '<|endoftext|>', special: true })]);
    expect(pre_tokenizer).toMatchObject({ type: 'ByteLevel', add_prefix_space: false, use_regex: true });
    expect(decoder).toMatchObject({ type: 'ByteLevel' });
  });
});

describe('files of the other tokenizers', () => {
  it('describe bytes as byte pair encoding without merges', () => {
    const { model, pre_tokenizer } = JSON.parse(createTokenizer({ name: 'bytes' }).files()['tokenizer.json']!);
    expect(Object.keys(model.vocab)).toHaveLength(256);
    expect(model.vocab).toMatchObject({ Ā: 0, Ġ: 32, A: 65, ÿ: 255 });
    expect(model.merges).toEqual([]);
    expect(pre_tokenizer.use_regex).toBe(false);
  });

  it('describe chars as words of one character', () => {
    const tokenizer = createTokenizer({ name: 'chars', characters: ['\n', '"', '2', '🤯'] });
    const { model, pre_tokenizer } = JSON.parse(tokenizer.files()['tokenizer.json']!);
    expect(model).toMatchObject({ type: 'WordLevel', vocab: { '\n': 0, '"': 1, '2': 2, '🤯': 3 } });
    expect(model.vocab).not.toHaveProperty(model.unk_token);
    expect(pre_tokenizer.pattern).toEqual({ Regex: '[\\s\\S]' });
    expect(tokenizer.files()).toBe(tokenizer.files());
  });
});
