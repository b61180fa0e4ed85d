// burgeon train --ranks and doctor as a user meets them: what is refused, and what is said of the launcher. Processes of ranks:
// test/ranks.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isRunning } from '../../lib/files/process-identity.ts';
import { burgeon, jsonLines, main } from '../helpers/cli.ts';
import { createWorkspace, type Workspace } from './workspace.ts';

let workspace: Workspace;
beforeAll(async () => {
  workspace = await createWorkspace({ steps: 40, accumulationSteps: 4, checkpoint: { every: 10 } });
});
afterAll(() => workspace.remove());

const rank = { RANK: '1', WORLD_SIZE: '4', LOCAL_RANK: '1', LOCAL_WORLD_SIZE: '4', MASTER_ADDR: 'a', MASTER_PORT: '9' };

describe.concurrent('train refuses', () => {
  test.each(['0', '-2', 'two', '2.5', '2048', ''])('--ranks %j', async (ranks) => {
    const { code, stderr } = await workspace.burgeon(['train', 'train.yaml', `--ranks=${ranks}`]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: option '--ranks <n>' argument '.*' is invalid\. Expected an integer from 1 to /);
  });

  test.each([
    [['--ranks', '2', '--profile', '1'], '--profile and --ranks exclude each other'],
    [['--gpus', '2', '--ranks', '2'], '--gpus and --ranks exclude each other'],
    [['--gpus', '2', '--device', 'cpu'], '--gpus and --device exclude each other'],
    [['--gpus', '2', '--profile', '1'], '--profile and --gpus exclude each other'],
    [['--gpus', '0'], "option '--gpus <n>' argument '0' is invalid"],
    [['--restarts', '2'], '--restarts needs --ranks or --gpus with 2 or more'],
    [['--ranks', '1', '--restarts', '2'], '--restarts needs --ranks or --gpus with 2 or more'],
    [['--ranks', '2', '--restarts', '2', '--overwrite'], '--restarts and --overwrite exclude each other'],
    [['--ranks', '2', '--restarts', '0'], "option '--restarts <n>' argument '0' is invalid"],
  ])('%j', async (options, message) => {
    const { code, stderr } = await workspace.burgeon(['train', 'train.yaml', ...options]);
    expect(code).toBe(1);
    expect(stderr).toContain(`error: ${message}`);
  });

  test.each<[string, string[], Record<string, string>, RegExp]>([
    [
      '--ranks inside a launcher',
      ['--ranks', '2'],
      rank,
      /^burgeon: --ranks 2: expected a process of its own, but this is rank 1 of 4, .*; leave --ranks away, /,
    ],
    ['--gpus inside a launcher', ['--gpus', '2'], rank, /^burgeon: --gpus 2: expected .*; leave --gpus away, /],
    [
      '--gpus without any',
      ['--gpus', '2'],
      { BURGEON_CUDA_LIBRARY: '/nowhere' },
      /^burgeon: --gpus 2: expected 2 CUDA devices, /,
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

describe('--ranks', () => {
  const two = ['train', 'train.yaml', '--ranks', '2'];
  const output = (name: string) => ['--set', `output=${name}`];
  /** Its stages do not depend on the number of steps. */
  const dense = ['--set', 'est.schedule=dense'];
  /** Longer than any test. */
  const endless = ['--set', 'steps=1000000', '--set', 'checkpoint.every=0', ...dense];
  const weights = async (run: string) =>
    (await readFile(workspace.path(run, 'checkpoint-00000040', 'model.safetensors'))).toString('hex');

  test.each([
    [2, 4],
    [3, 6],
    [5, 5],
  ])('%i train to the bits of one process, with its output', async (ranks, microBatches) => {
    const step = ['train', 'train.yaml', '--json', '--set', `accumulationSteps=${microBatches}`];
    const alone = await workspace.succeed([...step, ...output(`alone-${ranks}`)]);
    const args = [...step, '--ranks', String(ranks), ...output(`together-${ranks}`)];
    const together = await workspace.succeed(args);
    expect(await weights(`together-${ranks}`)).toBe(await weights(`alone-${ranks}`));
    const losses = (text: string) => jsonLines(text).map(({ step, loss }) => [step, loss]);
    expect(losses(together.stdout)).toEqual(losses(alone.stdout));
    expect(together.stderr).not.toContain('[rank');
  });

  /** Starts two ranks that train until `act`, called once they do, has been given the launcher. */
  async function startTwo(run: string, act: (launcher: ChildProcess) => void) {
    const args = [main, ...two, ...endless, ...output(run)];
    const launcher = spawn(process.execPath, args, {
      cwd: workspace.path(),
      env: { ...process.env, BURGEON_THREADS: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    let isActed = false;
    launcher.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (isActed || !stderr.includes('step 5: ')) return;
      isActed = true;
      act(launcher);
    });
    return new Promise<{ code: number | null; signal: string | null; stderr: string }>((resolve) =>
      launcher.on('close', (code, signal) => resolve({ code, signal, stderr })),
    );
  }
  const childrenOf = ({ pid }: ChildProcess) =>
    readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
  const checkpoints = async (run: string) =>
    (await readdir(workspace.path(run))).filter((name) => name.startsWith('checkpoint-'));

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s stops all with a checkpoint, from which one goes on', async (name, status) => {
    const { code, stderr } = await startTwo(name, (launcher) => void launcher.kill(name));
    expect(code, stderr).toBe(status);
    const [checkpoint] = await checkpoints(name);
    const step = Number(checkpoint!.split('-')[1]);
    const onward = ['--resume', ...dense, '--set', `steps=${step + 2}`, ...output(name)];
    expect((await workspace.succeed(['train', 'train.yaml', ...onward])).stdout).toMatch(`trained ${step + 2} steps`);
  });

  test.skipIf(process.platform !== 'linux')('a rank that is killed is named, and what was done is kept', async () => {
    const { code, stderr } = await startTwo('lost', (launcher) => process.kill(childrenOf(launcher)[1]!, 'SIGKILL'));
    expect(code).toBe(137);
    expect(stderr).toContain('rank 1 was ended by SIGKILL; the others get 0:30 to end\n');
    expect(stderr).toMatch(/^burgeon: rank 1 \(.+\) .*; rank 0 was waiting for rank 1 in /m);
    expect(await checkpoints('lost')).toHaveLength(1);
  });

  test.skipIf(process.platform !== 'linux')('--restarts goes on with all of them, to the same bits', async () => {
    const long = ['--set', 'steps=400', '--set', 'checkpoint.every=100', ...dense];
    await workspace.succeed(['train', 'train.yaml', ...long, ...output('steady')]);
    const args = [main, ...two, '--restarts', '2', ...long, ...output('restarted')];
    const launcher = spawn(process.execPath, args, {
      cwd: workspace.path(),
      env: { ...process.env, BURGEON_THREADS: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    let kills = 0;
    launcher.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      // Of the first life rank 0, of the second rank 1.
      const lives = stderr.split('was lost');
      if (kills < 2 && lives.length === kills + 1 && lives[kills]!.includes('step ')) {
        process.kill(childrenOf(launcher)[kills++]!, 'SIGKILL');
      }
    });
    expect(await new Promise((resolve) => launcher.on('close', resolve)), stderr).toBe(0);
    expect(stderr).toContain('rank 0 was lost: starting all 2 again from the newest checkpoint (restart 1 of 2)\n');
    expect(stderr).toContain('rank 1 was lost: starting all 2 again from the newest checkpoint (restart 2 of 2)\n');
    const last = async (run: string) =>
      (await readFile(workspace.path(run, 'checkpoint-00000400', 'model.safetensors'))).toString('hex');
    expect(await last('restarted')).toBe(await last('steady'));
  });

  test.skipIf(process.platform !== 'linux')('no rank outlives a launcher that is killed', async () => {
    let ranks: number[] = [];
    await startTwo('orphaned', (launcher) => {
      ranks = childrenOf(launcher);
      launcher.kill('SIGKILL');
    });
    expect(ranks).toHaveLength(2);
    for (const pid of ranks) while (await isRunning(pid)) await sleep(10);
    expect(await checkpoints('orphaned')).toHaveLength(1);
  });
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
    expect(stdout).toMatch(/\n\nnot ready: WORLD_SIZE: expected .*\nnext: npx burgeon doctor, once that is mended\n$/);
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
