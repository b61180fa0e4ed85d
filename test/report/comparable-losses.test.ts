// Which losses can be compared: what start lines tell, what they leave open, and what is converted.

import { describe, expect, test } from 'vitest';
import { comparableLosses } from '../../lib/report/comparable-losses.ts';
import { compareRuns } from '../../lib/report/compare-runs.ts';
import { type RunOptions, runOf } from './runs.ts';

const losses = [4, 3, 2];
const run = (name: string, options: RunOptions = {}) => runOf(name, losses, options);
const bpe = { name: 'huggingface', sha256: 'b9e0' };

test('of the same tokens are as they are', () => {
  const runs = [run('a'), run('b', { seed: 2 })];
  expect(comparableLosses(runs)).toEqual({ unit: 'nats per token', runs, notes: [] });
  // More windows than there are mean the same ones.
  const all = run('b', { evaluation: { windows: 'all' } });
  expect(comparableLosses([run('a'), all]).notes).toEqual([]);
  // Tokens say more than the name of what made them.
  const renamed = run('b', { described: { tokenizer: bpe } });
  expect(comparableLosses([run('a'), renamed]).unit).toBe('nats per token');
});

describe('are refused, naming what differs', () => {
  const other = { targets: 64, sha256: 'ffff00001111', bytes: 64 };
  test.each<[string, RunOptions, string[]]>([
    [
      'other validation data',
      { described: { validation: other } },
      ['evaluated tokens: 64 targets with SHA-256 a1b2c3d4e5f6... -> 64 targets with SHA-256 ffff00001111...'],
    ],
    [
      'other windows and a shorter sequence',
      { sequenceLength: 16, evaluation: { windows: 32 }, described: { validation: { ...other, targets: 32 } } },
      [
        'sequenceLength: 32 -> 16',
        'evaluation.windows: 64 -> 32',
        'evaluated tokens: 64 targets with SHA-256 a1b2c3d4e5f6... -> 32 targets with SHA-256 ffff00001111...',
      ],
    ],
    ['a sequence length that sees the same targets', { sequenceLength: 16 }, ['sequenceLength: 32 -> 16']],
    [
      'another tokenizer and no bytes',
      { described: { tokenizer: null, validation: { ...other, bytes: null } } },
      ['tokenizer: chars -> not known'],
    ],
    [
      'another tokenizer on another text',
      {
        described: {
          tokenizer: bpe,
          text: { documents: 2, bytes: 11_000, nearDuplicates: 1, validationFraction: 0.2 },
          validation: other,
        },
      },
      [
        'tokenizer and text: chars, bytes: 11000, documents: 1, near-duplicates left out: 0, held out: 0.1 -> ' +
          'huggingface, bytes: 11000, documents: 2, near-duplicates left out: 1, held out: 0.2',
      ],
    ],
    [
      'of an earlier version with another vocabulary of the data',
      { described: undefined, start: { model: { ...run('x').start!.model, vocabSize: 96 } } },
      ['tokenizer: a vocabulary of 64 -> 96'],
    ],
  ])('%s', (_, options, lines) => {
    const message = [
      'runs/a and runs/b cannot be compared, because their held-out losses are not of the same tokens:',
      ...lines.map((line) => `  ${line}`),
      'train with the same evaluation, or compare their checkpoints on the same data with `burgeon eval`',
    ].join('\n');
    const refused = expect.objectContaining({ code: 'ERR_BURGEON_DATA', message });
    expect(() => compareRuns([run('a', { est: { schedule: 'dense' } }), run('b', options)])).toThrow(refused);
  });
});

describe('of an earlier version', () => {
  test('are compared, and what cannot be told is said', () => {
    const runs = [run('old', { described: undefined }), run('new'), run('older', { described: undefined })];
    const { unit, notes } = comparableLosses(runs);
    expect(unit).toBe('nats per token');
    expect(notes).toEqual([
      'cannot tell whether all runs were evaluated on the same tokens: the metrics of old, older are of an earlier version and do not say',
    ]);
    expect(
      comparableLosses([run('old', { described: undefined }), run('older', { described: undefined })]).notes,
    ).toHaveLength(1);
  });

  test('are held to their configurations and to the runs that say more', () => {
    const old = run('old', { described: undefined });
    expect(() => comparableLosses([old, run('b', { described: undefined, evaluation: { windows: 8 } })])).toThrow(
      'evaluation.windows: 64 -> 8',
    );
    const others = [run('a'), run('b', { described: { validation: { targets: 64, sha256: 'ff', bytes: 64 } } })];
    expect(() => comparableLosses([old, ...others])).toThrow(/^runs\/a and runs\/b/);
  });

  test('a vocabulary that the configuration gives says nothing', () => {
    const model = { preset: 'gpt2-tiny', vocabSize: 96 };
    expect(
      comparableLosses([run('a', { described: undefined }), run('b', { described: undefined, model })]).notes,
    ).toHaveLength(1);
  });

  test('cannot be converted', () => {
    const other = run('b', { described: { tokenizer: bpe, validation: { targets: 64, sha256: 'ff', bytes: 256 } } });
    expect(() => comparableLosses([run('a'), other, run('old', { described: undefined })])).toThrow(
      /^runs\/a and runs\/old .*\n {2}tokenizer: known -> its metrics do not say/,
    );
  });
});

describe('of another tokenizer on the same text', () => {
  // 64 targets of 256 bytes: 2 nats per token are 0.5 nats per byte.
  const described = { tokenizer: bpe, validation: { targets: 64, sha256: 'ff', bytes: 256 } };

  test('become bits per byte', () => {
    const { unit, runs, notes } = comparableLosses([run('chars'), run('bpe', { described })]);
    expect(unit).toBe('bits per byte');
    const inBits = (factor: number) => losses.map((loss) => expect.closeTo((factor * loss) / Math.LN2, 12));
    expect(runs[0]!.validation.loss).toEqual(inBits(1));
    expect(runs[1]!.validation.loss).toEqual(inBits(0.25));
    expect(notes).toEqual([
      'the tokenizers differ, so losses are in bits per byte: over the bytes that the evaluated tokens stand for',
      'their evaluation windows hold other parts of the validation text; evaluation.windows=all takes all of it',
    ]);
    const all = { evaluation: { windows: 'all' } };
    expect(comparableLosses([run('chars', all), run('bpe', { described, ...all })]).notes).toHaveLength(1);
  });

  test('are compared so, and the comparison says it', () => {
    const comparison = compareRuns([run('chars', { est: { schedule: 'dense' } }), run('bpe', { described })]);
    expect(comparison.unit).toBe('bits per byte');
    expect(comparison.others[0]!.finalLoss.mean).toBeCloseTo(0.5 / Math.LN2, 12);
    expect(comparison.notes[0]).toMatch(/^the tokenizers differ/);
  });
});
