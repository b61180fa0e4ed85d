// Several ranks on CUDA devices, or on the kernels on the host with the stand-in for NCCL beside them (npm run test:cuda).
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chooseDevice } from '../../lib/model/device.ts';
import { createWorkspace, type Workspace } from '../cli/workspace.ts';
import { burgeon, main } from '../helpers/cli.ts';

const library = process.env.BURGEON_CUDA_LIBRARY;
const doctor = async (env: Record<string, string> = {}) =>
  JSON.parse((await burgeon(['doctor', '--json'], { env })).stdout).cuda;
const nccl = library && path.join(path.dirname(library), 'libburgeon_nccl_host.so');
const isHost = nccl !== undefined && existsSync(nccl) && (await doctor()).devices[0].name.includes('the host');

// Each process has two of them, which share nothing with those of another.
const twoDevices = { BURGEON_CUDA_HOST_DEVICES: '2' };
const linked = { ...twoDevices, BURGEON_NCCL_LIBRARY: nccl ?? '' };

let workspace: Workspace;
beforeAll(async () => {
  workspace = await createWorkspace({
    model: { preset: 'gpt2-tiny', nLayer: 2, nHead: 2, nEmbd: 16, contextLength: 8 },
    steps: 4,
    batchSize: 1,
    accumulationSteps: 4,
    checkpoint: { every: 2 },
    est: { schedule: 'est-gpt2' },
    evaluation: { every: 4, windows: 4 },
  });
});
afterAll(() => workspace.remove());

const output = (run: string) => ['--set', `output=${run}`];

async function bytes(run: string): Promise<string> {
  const hash = createHash('sha256');
  for (const name of ['model.safetensors', 'optimizer.safetensors']) {
    hash.update(await readFile(workspace.path(run, 'checkpoint-00000004', name)));
  }
  return hash.digest('hex');
}

describe.skipIf(!isHost)('burgeon train --gpus', () => {
  test('gives the checkpoint of one device, over NCCL and through the host', { timeout: 180_000 }, async () => {
    await workspace.succeed(['train', 'train.yaml', '--gpus', '1', ...output('one')]);
    const expected = await bytes('one');
    for (const [run, ranks, env] of [
      ['linked', '2', linked],
      ['linked-4', '4', { ...linked, BURGEON_CUDA_HOST_DEVICES: '4' }],
      ['through-host', '2', { ...linked, BURGEON_NCCL_LIBRARY: 'off' }],
    ] as const) {
      const { stderr } = await workspace.succeed(['train', 'train.yaml', '--gpus', ranks, ...output(run)], { env });
      expect(stderr).toContain(
        `; ${ranks} ranks, gradients ${run === 'through-host' ? 'through the host' : 'by NCCL 2.29.0'})`,
      );
      expect(await bytes(run), run).toBe(expected);
    }
  });

  test('a link on which nothing goes on ends all ranks, which say so', async () => {
    const env = { ...linked, BURGEON_NCCL_HOST_STALLS: '1', BURGEON_RANK_WAIT: '4' };
    const { code, stderr } = await workspace.burgeon(['train', 'train.yaml', '--gpus', '2', ...output('stalled')], {
      env,
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/the sum of gradients: rank [01] waited 4 s for NCCL and rank [01], which is there/);
  });

  test('a rank that is killed is named, the other ends, and what was done is kept', async () => {
    const args = [main, 'train', 'train.yaml', '--gpus', '2', '--set', 'steps=100000', ...output('lost')];
    const launcher = spawn(process.execPath, args, {
      cwd: workspace.path(),
      env: { ...process.env, ...linked, BURGEON_THREADS: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    let isKilled = false;
    launcher.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (isKilled || !stderr.includes('step 4: ')) return;
      isKilled = true;
      const children = readFileSync(`/proc/${launcher.pid}/task/${launcher.pid}/children`, 'utf8').trim().split(' ');
      process.kill(Number(children[1]), 'SIGKILL');
    });
    const code = await new Promise((resolve) => launcher.on('close', resolve));
    expect(code, stderr).toBe(137);
    expect(stderr).toMatch(/rank 1 \(127\.0\.0\.1\) ended; rank 0 was waiting for rank 1 in /);
    expect((await readdir(workspace.path('lost'))).some((name) => name.startsWith('checkpoint-'))).toBe(true);
  });

  test('wants as many devices', async () => {
    const { code, stderr } = await workspace.burgeon(['train', 'train.yaml', '--gpus', '4'], { env: twoDevices });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^burgeon: --gpus 4: expected 4 CUDA devices, found 2 devices$/m);
  });

  test('a library that cannot be used is named', async () => {
    const env = { ...linked, BURGEON_NCCL_LIBRARY: workspace.path('text.txt') };
    const { code, stderr } = await workspace.burgeon(['train', 'train.yaml', '--gpus', '2', ...output('none')], {
      env,
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/NCCL was not found \(.+text\.txt\)\. BURGEON_NCCL_LIBRARY=off for every rank goes through/);
  });
});

describe.skipIf(!isHost)('devices', () => {
  test('doctor says what carries gradients between them', async () => {
    expect((await doctor(linked)).nccl).toBe('NCCL 2.29.0');
    expect((await doctor()).nccl).toBe('the host, as NCCL has no device');
    expect((await doctor({ BURGEON_NCCL_LIBRARY: 'off' })).nccl).toBe('the host, as NCCL is off');
  });

  test('a rank takes its own, or shares those there are', () => {
    const set = (variables: Record<string, string>) => Object.assign(process.env, variables);
    set({ BURGEON_CUDA_HOST_DEVICES: '2' });
    try {
      for (const [own, expected] of [
        ['', 0],
        ['0', 0],
        ['1', 1],
        ['3', 1],
      ] as const) {
        set({ BURGEON_CUDA_DEVICE: own });
        expect(chooseDevice('cuda').cudaDevice).toBe(expected);
        expect(chooseDevice('auto').cudaDevice).toBe(expected);
        expect(chooseDevice('cuda:0').cudaDevice).toBe(0);
      }
      set({ BURGEON_CUDA_DEVICE: 'one' });
      expect(() => chooseDevice('cuda')).toThrow('BURGEON_CUDA_DEVICE: expected an integer from 0 to 1023');
    } finally {
      delete process.env.BURGEON_CUDA_HOST_DEVICES;
      delete process.env.BURGEON_CUDA_DEVICE;
    }
  });
});
