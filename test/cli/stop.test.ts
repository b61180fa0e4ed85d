// Every command that takes long ends before its work is done when it is told to, leaves no lock and nothing half-written, and
// says by its exit code that it was stopped. train is interrupt.test.ts, a sweep sweep.test.ts, bench bench.test.ts.

import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readMetrics } from '../../lib/train/metrics.ts';
import { someText } from '../train/helpers.ts';
import { createWorkspace, type Workspace } from './workspace.ts';

const stopSignals = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const;

/** Of validation tokens enough for minutes. */
const evaluatesLong = ['--set', 'evaluation.windows=all', '--set', 'data.directory=long'];

let workspace: Workspace;
beforeAll(async () => {
  workspace = await createWorkspace({ steps: 12, checkpoint: { every: 4 } });
  await writeFile(workspace.path('long.txt'), someText(4_000_000));
  await workspace.succeed(['prepare', 'long.txt', '-o', 'long', '-t', 'chars', '--val-fraction', '0.9']);
  await workspace.succeed(['train', 'train.yaml']);
});
afterAll(() => workspace.remove());

const entries = () => readdir(workspace.path());

describe.each(stopSignals)('%s', (name, exitCode) => {
  test('reaches the evaluation before the first step of train', async () => {
    const run = ['train', 'train.yaml', ...evaluatesLong, '--set', `output=first-${name}`];
    // So that there is a line to send the signal after.
    await workspace.burgeon([...run, '--json', '--set', 'evaluation.windows=4'], {
      signals: [{ name: 'SIGKILL', after: '{"step":3,' }],
    });
    const { code, stdout } = await workspace.burgeon(run, {
      signals: [{ name, after: 'note: starting anew', delayMs: 300 }],
    });
    expect({ code, stdout }).toEqual({
      code: exitCode,
      stdout: 'stopped before the first of 12 steps, no checkpoint to continue from; start again\n',
    });
    const lines = await readMetrics(workspace.path(`first-${name}`, 'metrics.jsonl'));
    expect(lines.map(({ kind }) => kind)).toEqual(['start', 'end']);
    expect(await readdir(workspace.path(`first-${name}`))).not.toContain('.burgeon.lock');
  });

  test('ends eval at once', async () => {
    const before = await entries();
    const { code, signal, stdout } = await workspace.burgeon(['eval', 'run', '--data', 'long', '--batch-size', '1'], {
      signals: [{ name, after: ' tokens' }],
    });
    expect({ code, signal, stdout }).toEqual({ code: null, signal: name, stdout: '' });
    expect(await entries()).toEqual(before);
  });

  test('stops prepare, which goes on later', async () => {
    const args = ['prepare', 'long.txt', '-o', `stopped-${name}`, '-t', 'chars'];
    const { code, stdout } = await workspace.burgeon(args, { signals: [{ name, after: 'reading' }] });
    expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' });
    expect(existsSync(workspace.path(`stopped-${name}`))).toBe(false);
    expect(await readdir(workspace.path(`stopped-${name}.partial`))).not.toContain('.burgeon.lock');
    await workspace.succeed(args);
    expect(existsSync(workspace.path(`stopped-${name}.partial`))).toBe(false);
  });

  test('stops tokenizer train, of which nothing is left', async () => {
    const before = await entries();
    const args = ['tokenizer', 'train', 'long.txt', '-o', 'tokenizer', '--vocab-size', '300'];
    const { code, stdout } = await workspace.burgeon(args, { signals: [{ name, after: 'reading' }] });
    expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' });
    expect(await entries()).toEqual(before);
  });

  test.each(['huggingface', 'llmc'])('stops export to %s, of which nothing is left', async (format) => {
    const before = await entries();
    const { code, stdout } = await workspace.burgeon(['export', 'run', '-o', 'exported', '--format', format], {
      signals: [{ name }],
    });
    expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' });
    expect(await entries()).toEqual(before);
  });
});
