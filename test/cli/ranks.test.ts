// burgeon train --ranks and doctor as a user meets them: what is refused, and what is said of the launcher. Processes of ranks:
// test/ranks.

import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { burgeon } from '../helpers/cli.ts';
import { createWorkspace, type Workspace } from './workspace.ts';

let workspace: Workspace;
beforeAll(async () => {
  workspace = await createWorkspace({ steps: 40, checkpoint: { every: 10 } });
});
afterAll(() => workspace.remove());

const rank = { RANK: '1', WORLD_SIZE: '4', LOCAL_RANK: '1', LOCAL_WORLD_SIZE: '4', MASTER_ADDR: 'a', MASTER_PORT: '9' };

describe.concurrent('train refuses', () => {
  test.each(['0', '-2', '3', '6', 'two', '2.5', '2048', ''])('--ranks %j', async (ranks) => {
    const { code, stderr } = await workspace.burgeon(['train', 'train.yaml', `--ranks=${ranks}`]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^error: option '--ranks <n>' argument '.*' is invalid\. Expected a power of two from 1 to /,
    );
  });

  test('--ranks with --profile', async () => {
    const { code, stderr } = await workspace.burgeon(['train', 'train.yaml', '--ranks', '2', '--profile', '1']);
    expect(code).toBe(1);
    expect(stderr).toContain('error: --profile and --ranks exclude each other');
  });

  test.each<[string, string[], Record<string, string>, RegExp]>([
    [
      '--ranks inside a launcher',
      ['--ranks', '2'],
      rank,
      /^burgeon: --ranks 2: expected a process of its own, but this is rank 1 of 4, .*; leave --ranks away, /,
    ],
    ['--profile inside a launcher', ['--profile', '1'], rank, /^burgeon: --profile 1: expected .* rank 1 of 4, /],
    ['half of a launcher', [], { RANK: '1' }, /^burgeon: WORLD_SIZE: expected .* received nothing; set RANK, /],
  ])('%s', async (_, options, env, message) => {
    const { code, stderr } = await workspace.burgeon(['train', 'train.yaml', ...options], { env });
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });

  test('a wrong configuration once, not by every rank', async () => {
    const { code, stderr } = await workspace.burgeon(['train', 'train.yaml', '--ranks', '4', '--set', 'stepz=1']);
    expect(code).toBe(1);
    expect(stderr.match(/stepz/g)).toHaveLength(1);
    expect(stderr).not.toContain('[rank');
  });
});

test('--ranks 1 trains by this process', async () => {
  const { stdout } = await workspace.succeed(['train', 'train.yaml', '--ranks', '1', '--set', 'output=one']);
  expect(stdout).toMatch(/^trained 40 steps/);
});

test('a launcher that was forgotten is a note', async () => {
  const env = { SLURM_JOB_ID: '1', SLURM_NTASKS: '4', SLURM_PROCID: '0' };
  const { stderr } = await workspace.succeed(['train', 'train.yaml', '--quiet', '--set', 'output=alone'], { env });
  expect(stderr).toMatch(/^note: this Slurm allocation has 4 tasks \(SLURM_NTASKS\), .*`srun burgeon train/);
});

test('a rank is asked to stop as often as anybody likes: its launcher alone ends it at once', async () => {
  const { code, signal } = await workspace.burgeon(['train', 'train.yaml', '--set', 'output=rank'], {
    env: { BURGEON_LAUNCHER: 'burgeon' },
    signals: [
      { name: 'SIGTERM', after: 'step 20: held-out loss' },
      { name: 'SIGTERM', after: 'stopping, with a checkpoint' },
      { name: 'SIGINT', after: 'stopping, with a checkpoint' },
    ],
  });
  expect({ code, signal }).toEqual({ code: 143, signal: null });
  expect((await readdir(workspace.path('rank'))).filter((name) => /^checkpoint-/.test(name))).not.toEqual([]);
});

describe.concurrent('doctor tells the launcher', () => {
  test.each<[string, Record<string, string>, string]>([
    ['none', {}, 'none: this process is alone'],
    [
      'torchrun',
      rank,
      'rank 1 of 4, started by torchrun or one that sets the same variables; 1 of 4 on this host; rank 0 at a, port 9',
    ],
    ['one forgotten', { SLURM_JOB_ID: '1', SLURM_NTASKS: '2' }, 'this Slurm allocation has 2 tasks (SLURM_NTASKS)'],
  ])('%s', async (_, env, text) => {
    const { code, stdout } = await burgeon(['doctor'], { env });
    expect(code).toBe(0);
    expect(stdout).toContain(`\nlauncher     ${text}`);
  });

  test('and that it cannot train where that is unclear', async () => {
    const { code, stdout } = await burgeon(['doctor'], { env: { RANK: '1' } });
    expect(code).toBe(1);
    expect(stdout).toContain('\nlauncher     unclear\n');
    expect(stdout).toMatch(/\n\nnot ready: WORLD_SIZE: expected .*\nnext: burgeon doctor, once that is mended\n$/);
  });

  test('as JSON', async () => {
    const { launcher } = JSON.parse((await burgeon(['doctor', '--json'], { env: rank })).stdout);
    expect(launcher).toMatchObject({
      rank: { rank: 1, size: 4, launcher: 'torchrun' },
      forgotten: null,
      problem: null,
    });
  });
});
