// Tasks that a real srun starts, where there is a Slurm that runs them: each finds its rank, they train to the bits of one process, and
// the script of docs/distributed.md stops with a checkpoint at its signal and is queued again.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createWorkspace, type Workspace } from '../cli/workspace.ts';
import { main } from '../helpers/cli.ts';

const hasSlurm = spawnSync('srun', ['--immediate=5', '-n', '1', 'true'], { timeout: 20_000 }).status === 0;

describe.skipIf(!hasSlurm)('Slurm', () => {
  let workspace: Workspace;
  const env = { ...process.env, BURGEON_THREADS: '1' };
  const slurm = (program: string, ...args: string[]) =>
    execFileSync(program, args, { cwd: workspace.path(), env, encoding: 'utf8' });
  const weights = (run: string, step: string) =>
    readFileSync(workspace.path(run, `checkpoint-${step}`, 'model.safetensors')).toString('hex');

  beforeAll(async () => {
    workspace = await createWorkspace({ steps: 12, accumulationSteps: 4, checkpoint: { every: 6 } });
  });
  afterAll(() => workspace.remove());

  test('srun starts ranks that know each other', () => {
    const text = slurm('srun', '-n', '2', process.execPath, main, 'doctor');
    const rows = [...text.matchAll(/^launcher +(.*)$/gm)].map(([, row]) => row!).sort();
    expect(rows).toHaveLength(2);
    for (const [rank, row] of rows.entries()) expect(row).toContain(`rank ${rank} of 2, started by srun; `);
    expect(new Set(rows.map((row) => row.split('; rank 0 at')[1])).size).toBe(1);
  });

  test('they train to the bits of one process', async () => {
    await workspace.succeed(['train', 'train.yaml', '--set', 'output=alone']);
    slurm('srun', '-n', '4', process.execPath, main, 'train', 'train.yaml', '--set', 'output=together');
    expect(weights('together', '00000012')).toBe(weights('alone', '00000012'));
  });

  test('the script of the documentation stops at its signal, and is queued again', { timeout: 120_000 }, async () => {
    const page = readFileSync(path.join(import.meta.dirname, '../../docs/distributed.md'), 'utf8');
    const script = /```bash\n(#!\/bin\/bash\n#SBATCH[\s\S]*?)```/.exec(page)![1]!;
    const command = `${process.execPath} ${main} train train.yaml --set output=queued --set steps=100000`;
    expect(script).toContain('burgeon train config.yaml');
    writeFileSync(workspace.path('job.sh'), script.replace('burgeon train config.yaml', command));
    const size = ['--nodes=1', '--ntasks-per-node=2', '--cpus-per-task=1', '--output=job.txt'];
    const job = slurm('sbatch', '--parsable', ...size, 'job.sh').trim();
    onTestFinished(() => void slurm('scancel', job));
    const said = () => readFileSync(workspace.path('job.txt'), 'utf8');
    while (!existsSync(workspace.path('job.txt')) || !said().includes('step 10:')) await sleep(500);
    slurm('scancel', '--signal=USR1', job); // as Slurm does before the time is over
    while (!slurm('scontrol', 'show', 'job', job).includes('Restarts=1')) await sleep(500);
    expect(said()).toMatch(/stopped after step \d+ of 100000, checkpoint in queued; continue with --resume/);
  });
});
