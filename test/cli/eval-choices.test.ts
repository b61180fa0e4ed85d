// burgeon eval --choices on a model that burgeon train has made.

import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readTokenizer } from '../../lib/tokenizer/open-tokenizer.ts';
import { llmcEvalFile } from '../helpers/llmc-eval-file.ts';
import { createWorkspace, type Workspace } from './workspace.ts';

// After 15 steps the model knows which letters are frequent: the right endings are text, the wrong ones rare letters, as many.
const records = [
  { ctx: 'the old river', endings: ['vpvwvpvwv', 'sings the'], label: 1 },
  { ctx: 'a bird', endings: ['sleeps', 'pwvpwv', 'wpuwpu'], label: 0 },
  { ctx: 'rain falls on roofs and stones', endings: ['wpvwpvwp', 'then the', 'vuvpvuvp', 'pupupuwv'], label: 1 },
  { ctx: 'green hills', endings: ['under the', 'uvpwuvpwu'], label: 1 },
];
const lines = records.map((record) => JSON.stringify(record));

let workspace: Workspace;
beforeAll(async () => {
  workspace = await createWorkspace();
  await workspace.succeed(['train', 'train.yaml', '--quiet']);
  await writeFile(workspace.path('questions.jsonl'), `${lines.join('\n')}\n`);
});
afterAll(() => workspace.remove());

async function evaluate(...args: string[]) {
  const { tokensPerSecond, ...result } = JSON.parse((await workspace.succeed(['eval', ...args, '--json'])).stdout);
  expect(tokensPerSecond).toBeGreaterThan(0);
  return result;
}

async function failure(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await workspace.burgeon(['eval', ...args]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).not.toMatch(/^ +at /m);
  return stderr;
}

describe.concurrent('eval --choices', () => {
  test('finds the right endings, and not the wrong one that the last question calls right', async () => {
    expect(await evaluate('run', '--choices', 'questions.jsonl')).toEqual({
      questions: 4,
      acc: 0.75,
      accStderr: 0.25,
      accNorm: 0.75,
      accNormStderr: 0.25,
      accPerToken: 0.75,
      accPerTokenStderr: 0.25,
      cutContexts: 8,
      // Context and ending without its last token, at most 16.
      tokens: 3 * 12 + 8 * 16,
    });
  });

  test('does not depend on the batch size; takes the first questions up to the limit', async () => {
    const one = await evaluate('run', '--choices', 'questions.jsonl', '--batch-size', '1');
    expect(await evaluate('run', '--choices', 'questions.jsonl', '--batch-size', '5')).toEqual(one);
    const limited = await evaluate('run', '--choices', 'questions.jsonl', '--limit', '1');
    expect(limited).toMatchObject({ questions: 1, acc: 1, accStderr: null });
  });

  test("llm.c's format gives the same", async () => {
    const tokenizer = await readTokenizer(workspace.path('run', 'checkpoint-00000015'));
    const encode = (text: string) => [...tokenizer.encode(text)];
    const examples = records.map(({ ctx, endings, label }) => ({
      label,
      context: encode(ctx),
      endings: endings.map((ending) => encode(` ${ending}`)),
    }));
    await writeFile(workspace.path('questions.bin'), llmcEvalFile(examples));
    expect(await evaluate('run', '--choices', 'questions.bin')).toEqual(
      await evaluate('run', '--choices', 'questions.jsonl'),
    );
  });

  test('for people, with progress apart', async () => {
    const { stdout, stderr } = await workspace.succeed(['eval', 'run', '--choices', 'questions.jsonl']);
    const accuracy = '75\\.0 % \\+- 25\\.0';
    expect(stdout).toMatch(
      new RegExp(
        `^accuracy +${accuracy}  by log-likelihood \\(acc\\)\\n +${accuracy}  per byte \\(acc_norm\\)\\n +${accuracy}  per token\\n` +
          'questions +4, contexts cut for 8 endings\\ntokens +164 in .* per second\\)\\n$',
      ),
    );
    expect(stderr).toMatch(/^\d+ of 11 endings, .* left at most$/m);
  });

  test('a model without tokenizer takes --tokenizer, and questions that are tokens', async () => {
    await workspace.succeed(['prepare', 'text.txt', '-o', 'plain', '-t', 'bytes', '--val-fraction', '0']);
    const settings = ['data={train: "plain/*.bin"}', 'model.vocabSize=256', 'output=plain-run', 'steps=1'];
    await workspace.succeed(['train', 'train.yaml', '--quiet', ...settings.flatMap((setting) => ['--set', setting])]);
    expect(await failure('plain-run', '--choices', 'questions.jsonl')).toContain('expected a tokenizer');
    const asText = await evaluate('plain-run', '--choices', 'questions.jsonl', '--tokenizer', 'bytes');
    expect(asText.accNorm).not.toBeNull();

    const examples = records.map(({ ctx, endings, label }) => ({
      label,
      context: [...Buffer.from(ctx)],
      endings: endings.map((ending) => [...Buffer.from(` ${ending}`)]),
    }));
    await writeFile(workspace.path('bytes.bin'), llmcEvalFile(examples));
    expect(await evaluate('plain-run', '--choices', 'bytes.bin')).toEqual({
      ...asText,
      accNorm: null,
      accNormStderr: null,
    });
    const { stdout } = await workspace.succeed(['eval', 'plain-run', '--choices', 'bytes.bin']);
    expect(stdout).toContain('unknown per byte (no tokenizer)');
    // Shards of a model without tokenizer: bits per byte only with --tokenizer.
    expect((await evaluate('plain-run', '--data', 'plain/*.bin')).bitsPerByte).toBeNull();
    const { loss, bitsPerByte } = await evaluate('plain-run', '--data', 'plain/*.bin', '--tokenizer', 'bytes');
    expect(bitsPerByte).toBeCloseTo(loss / Math.LN2, 10);
  });

  test('refuses what does not fit, naming file and line', async () => {
    expect(await failure('run', '--choices', 'none.jsonl')).toContain('none.jsonl: cannot be read');
    expect(await failure('run', '--choices', 'text.txt')).toContain('text.txt:1: expected a JSON object');
    expect(await failure('run', '--choices', 'model.bin')).toContain('model.bin: cannot be read');
    await writeFile(workspace.path('capital.jsonl'), `${lines[0]}\n${lines[1]!.replace('a bird', 'A bird')}\n`);
    expect(await failure('run', '--choices', 'capital.jsonl')).toContain('capital.jsonl:2: character "A" (U+0041)');
    await writeFile(workspace.path('long.jsonl'), lines[0]!.replace('sings', 'sings and sleeps'));
    expect(await failure('run', '--choices', 'long.jsonl')).toContain(
      'long.jsonl:1: endings[1]: expected at most 16 tokens, the length of a sequence, found 21',
    );
    expect(await failure('run', '--choices', 'questions.jsonl', '--tokenizer', 'bytes')).toMatch(
      /bytes tokenizer: expected at most the model's \d+ tokens, it has 256/,
    );
    await writeFile(workspace.path('text.bin'), lines.join('\n'));
    expect(await failure('run', '--choices', 'text.bin')).toContain('questions as text need the extension .jsonl');
  });
});
