// Runs on a CUDA device, or on the kernels on the host, as a user has them: BURGEON_CUDA_LIBRARY names the library (npm run test:cuda).
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { describe, expect, test } from 'vitest';
import { scheduleNames } from '../../lib/est/schedule.ts';
import { createWorkspace, useWorkspace, type Workspace } from '../cli/workspace.ts';
import { burgeon } from '../helpers/cli.ts';

const library = process.env.BURGEON_CUDA_LIBRARY;
/** Its stand-in for cuBLASLt, where the library is one for the host. */
const cublasLt = library && path.join(path.dirname(library), 'libburgeon_cublaslt_host.so');
const isHost =
  library !== undefined && JSON.parse((await burgeon(['doctor', '--json'])).stdout).isaReason.includes('the host');

const settings = {
  device: 'cuda',
  steps: 6,
  batchSize: 2,
  accumulationSteps: 2,
  checkpoint: { every: 2 },
  evaluation: { every: 3, windows: 2 },
  optimizer: { learningRate: 3e-3, inactive: 'freeze' },
} as const;
const train = ['train', 'train.yaml', '--json'];

async function finalBytes(workspace: Workspace, run = 'run'): Promise<string> {
  const hash = createHash('sha256');
  for (const name of ['model.safetensors', 'optimizer.safetensors']) {
    hash.update(await readFile(workspace.path(run, 'checkpoint-00000006', name)));
  }
  return hash.digest('hex');
}

describe.skipIf(library === undefined)('burgeon train --device cuda', () => {
  test('gives the same bytes again, continued, and without graphs; the result evaluates and samples', async () => {
    const workspace = await useWorkspace({ ...settings, sample: { every: 3, length: 4 } });
    await workspace.succeed(train);
    const bytes = await finalBytes(workspace);
    await workspace.succeed([...train, '--set', 'output=single'], { env: { BURGEON_CUDA_GRAPHS: 'off' } });
    expect(await finalBytes(workspace, 'single')).toBe(bytes);
    await workspace.burgeon([...train, '--set', 'output=parts'], { signals: [{ name: 'SIGINT', after: '"step":3,' }] });
    expect(existsSync(workspace.path('parts', 'checkpoint-00000006'))).toBe(false);
    await workspace.succeed([...train, '--set', 'output=parts', '--resume']);
    expect(await finalBytes(workspace, 'parts')).toBe(bytes);
    const evaluated = await workspace.succeed(['eval', 'run', '--data', 'data', '--device', 'cuda', '--json']);
    expect(JSON.parse(evaluated.stdout).loss).toBeGreaterThan(0);
    await workspace.succeed(['sample', 'run', '--device', 'cuda', '--tokens', '3']);
  });

  test('--profile times the ops on the device, each stage beside the dense one', async () => {
    const { succeed, path } = await useWorkspace({ ...settings, est: { schedule: 'est-gpt2' }, steps: 15 });
    const { stdout } = await succeed(['train', 'train.yaml', '--profile', '1']);
    expect(stdout).toMatch(/^1 step of every stage in turn, cuda:0 .+; means of the faster half$/m);
    expect(stdout).toMatch(/^ {2}forward gather_matrix +\d+ /m);
    expect(stdout).toMatch(/^ {2}backward linear_weight_gradient +\d+ .* %$/m);
    expect(stdout).toContain('no op runs on the device');
    const { stages, device, precision } = JSON.parse(
      (await succeed(['train', 'train.yaml', '--profile', '2', '--json'])).stdout,
    );
    expect([device, precision]).toEqual([expect.stringMatching(/^cuda:0 ./), 'bf16']);
    for (const { totals } of stages) {
      const { data, forward, backward, optimizer, idle } = totals.phases;
      for (const phase of [forward, backward, optimizer]) expect(phase).toBeGreaterThan(0);
      expect(data + forward + backward + optimizer + idle).toBeCloseTo(totals.ms, 6);
    }
    const flops = stages.map(({ totals }: { totals: { ops: { flops: number }[] } }) =>
      totals.ops.reduce((sum, op) => sum + op.flops, 0),
    );
    expect(flops[0]).toBeLessThan(flops[1]);
    expect(flops[1]).toBeLessThan(flops[2]);
    expect(await readFile(path('run', 'profile.html'), 'utf8')).toContain('"series":["stage 1","stage 2","stage 3"]');
  });

  test.runIf(isHost)('says that cuBLASLt is missing where it matters, unless that is meant', async () => {
    const workspace = await useWorkspace({ ...settings, steps: 1 });
    const note = 'products are computed by own kernels, as cuBLASLt';
    const on = (output: string, env: Record<string, string>) =>
      workspace.succeed(['train', 'train.yaml', '--set', `output=${output}`], { env });
    expect((await on('missing', { BURGEON_CUDA_HOST_CAPABILITY: '9.0' })).stderr).toContain(note);
    expect((await on('older', { BURGEON_CUDA_HOST_CAPABILITY: '8.0' })).stderr).not.toContain(note);
    const meant = { BURGEON_CUDA_HOST_CAPABILITY: '9.0', BURGEON_CUBLASLT: 'off' };
    expect((await on('meant', meant)).stderr).not.toContain(note);
  });

  test.each(scheduleNames)('trains by %s, with the losses of the CPU', async (schedule) => {
    const { path, succeed } = await useWorkspace({
      ...settings,
      model: { nLayer: 4, nHead: 2, nEmbd: 32, nInner: 64, contextLength: 16 },
      precision: 'float32',
      steps: 10,
      est: { schedule },
    });
    const losses = async (device: string) => {
      const { stdout } = await succeed([...train, '--device', device, '--set', `output=${device}`]);
      return stdout
        .trim()
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line).loss as number);
    };
    const [onDevice, onCpu] = [await losses('cuda'), await losses('cpu')];
    expect(onDevice).toHaveLength(10);
    for (const [step, loss] of onDevice.entries()) expect(loss, `step ${step + 1}`).toBeCloseTo(onCpu[step]!, 3);
    expect(existsSync(path('cuda', 'checkpoint-00000010'))).toBe(true);
  });

  test.skipIf(!isHost)(
    'a fault ends the run with what CUDA said; the last checkpoint stands, and continues',
    async () => {
      const workspace = await createWorkspace(settings);
      try {
        await workspace.succeed(train);
        const failed = await workspace.burgeon([...train, '--set', 'output=broken'], {
          env: { BURGEON_CUDA_HOST_FAULT: '900' },
        });
        expect(failed.code).toBe(1);
        expect(failed.stderr).toContain('CUDA: a launch failed, as asked');
        expect(failed.stderr).toContain('the last checkpoint stands');
        expect(existsSync(workspace.path('broken', 'checkpoint-00000006'))).toBe(false);
        await workspace.succeed([...train, '--set', 'output=broken', '--resume']);
        expect(await finalBytes(workspace, 'broken')).toBe(await finalBytes(workspace));
      } finally {
        await workspace.remove();
      }
    },
  );

  test.skipIf(!isHost)('plans of cuBLASLt in a file make tuned runs equal', async () => {
    const workspace = await useWorkspace(settings);
    const env = { BURGEON_CUBLASLT: cublasLt!, BURGEON_CUDA_PLANS: workspace.path('plans') };
    await workspace.succeed(train, { env });
    expect(await readFile(env.BURGEON_CUDA_PLANS, 'utf8')).toContain('\tcuBLASLt 13.0.1\t');
    await workspace.succeed([...train, '--set', 'output=again'], { env });
    expect(await finalBytes(workspace, 'again')).toBe(await finalBytes(workspace));
    const failed = await workspace.burgeon([...train, '--set', 'output=none'], {
      env: { BURGEON_CUBLASLT: 'nowhere' },
    });
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('cuBLASLt was not found') });
  });
});
