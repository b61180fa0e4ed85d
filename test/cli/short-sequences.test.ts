// A run on shorter sequences than its model takes: later positions are never trained, so nothing uses them unless asked to.

import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readMetrics } from '../../lib/train/metrics.ts';
import { createWorkspace, type Workspace } from './workspace.ts';

const note = 'note: using sequences of 8 tokens, as in training, of the 16 that the model takes\n';

let workspace: Workspace;
beforeAll(async () => {
  workspace = await createWorkspace({
    sequenceLength: 8,
    evaluation: { every: 15, windows: 'all' },
    sample: { every: 15, length: 30, prompt: 'the old river sings' },
  });
  await workspace.succeed(['train', 'train.yaml', '--quiet']);
});
afterAll(() => workspace.remove());

async function evaluate(...args: string[]) {
  const { stdout, stderr } = await workspace.succeed(['eval', ...args, '--json']);
  const { tokensPerSecond: _, ...result } = JSON.parse(stdout);
  return { result, stderr };
}

describe.concurrent('after training on short sequences', () => {
  test('eval computes the loss on such', async () => {
    const { result, stderr } = await evaluate('run', '--data', 'data');
    const lines = await readMetrics(workspace.path('run', 'metrics.jsonl'));
    const last = lines.findLast((line) => line.kind === 'validation')!;
    expect(result.loss).toBe(last.loss);
    expect(stderr).toContain(note);
    expect((await evaluate('run', '--data', 'data', '--sequence-length', '8')).result).toEqual(result);
    const whole = await evaluate('run/checkpoint-00000015', '--data', 'data', '--sequence-length', '16');
    expect(whole.stderr).not.toContain('note');
    expect(whole.result.loss).not.toBe(result.loss);
  });

  test('eval answers questions within such', async () => {
    const question = { ctx: 'green hills', endings: ['under', 'uvpwu'], label: 0 };
    await writeFile(workspace.path('questions.jsonl'), `${JSON.stringify(question)}\n`);
    const short = await evaluate('run', '--choices', 'questions.jsonl');
    // The ending without its last token, and as much of the context as there is room for.
    expect(short.result).toMatchObject({ cutContexts: 2, tokens: 2 * 8 });
    expect(short.stderr).toContain(note);
    const whole = await evaluate('run', '--choices', 'questions.jsonl', '--sequence-length', '16');
    expect(whole.result).toMatchObject({ cutContexts: 0, tokens: 2 * 16 });
    expect(whole.stderr).not.toContain('note');
    await writeFile(workspace.path('long.jsonl'), JSON.stringify({ ...question, endings: ['a', 'under the hills'] }));
    const { code, stderr } = await workspace.burgeon(['eval', 'run', '--choices', 'long.jsonl']);
    expect(code).toBe(1);
    expect(stderr).toContain('long.jsonl:1: endings[1]: expected at most 8 tokens, the length of a sequence, found 16');
  });

  test('sample writes what the run wrote', async () => {
    const lines = await readMetrics(workspace.path('run', 'metrics.jsonl'));
    const told = lines.find((line) => line.kind === 'sample')!;
    const options = ['--prompt', 'the old river sings', '--tokens', '30', '--seed', '16'];
    const { stdout, stderr } = await workspace.succeed(['sample', 'run', ...options]);
    expect(stdout).toBe(`${told.text}\n`);
    expect(stderr).toBe(note);
  });

  test('export says what the model was trained on', async () => {
    const { stderr } = await workspace.succeed(['export', 'run', '-o', 'exported']);
    expect(stderr).toBe('note: it takes 16 tokens, and was trained on sequences of 8\n');
  });
});
