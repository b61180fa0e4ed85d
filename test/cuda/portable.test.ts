// The folder for a bare GPU machine: it runs with nothing of this one but the system's libraries.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);

describe.skipIf(!process.env.BURGEON_CUDA_LIBRARY)('scripts/make-portable.mjs', () => {
  it('makes a folder that finds its own node, packages, addon and CUDA library', async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-portable-'));
    try {
      const folder = path.join(directory, 'portable');
      const { stdout } = await run(process.execPath, ['scripts/make-portable.mjs', '--output', folder]);
      expect(stdout).toMatch(/^\/.+\/portable: burgeon [\d.]+ with .+\.so, node v20\..+, \d+ MiB$/m);
      const env = { PATH: '/usr/bin:/bin' };
      const doctor = await run(path.join(folder, 'burgeon'), ['doctor', '--json'], { cwd: directory, env });
      const { addon, cuda } = JSON.parse(doctor.stdout);
      expect(addon).toBe(path.join(folder, 'build', 'Release', 'burgeon.node'));
      expect(cuda.devices[0].name).toEqual(expect.any(String));
      // What checks the device there, and text with the tokenizer for it to train on.
      const node = path.join(folder, 'bin', 'node');
      const parts = await run(node, [path.join('scripts', 'check-device.mjs'), '--list'], { cwd: folder, env });
      expect(parts.stdout).toMatch(/^pytorch-f +240 s {2}open$/m);
      expect(existsSync(path.join(folder, 'bench', 'compare', 'pytorch_device.py'))).toBe(true);
      const prepared = await run(path.join(folder, 'burgeon'), ['prepare', 'docs/method.md', '-o', 'tokens'], {
        cwd: folder,
        env,
      });
      expect(prepared.stdout).toContain('50257');
      const plan = await run(path.join(folder, 'burgeon'), ['plan', 'configs/demo.yaml', '--vocab-size', '256'], {
        cwd: folder,
        env,
      });
      expect(plan.stdout).toContain('memory of cuda:0');
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
