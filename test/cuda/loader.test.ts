// What is said of CUDA with the library that npm run build:cuda makes, on a machine with a driver or without.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../lib/addon/load.ts';
import { burgeon } from '../helpers/cli.ts';

const library = path.join(packageRoot, 'build', 'cuda', 'libburgeon_cuda.so');

test.skipIf(!existsSync(library))('the library of nvcc finds devices, or says why there are none', async () => {
  const { code, stdout } = await burgeon(['doctor', '--json'], { env: { BURGEON_CUDA_LIBRARY: library } });
  expect(code).toBe(0);
  const { cuda, backend } = JSON.parse(stdout);
  if ('notUsed' in cuda) {
    expect(cuda.notUsed).toMatch(/^no CUDA device can be used: .*\S \(library built with CUDA \d+\.\d+\)$/);
    expect(cuda.notUsed).not.toContain('initialization error');
    expect(backend).toBe('cpu');
  } else {
    expect(cuda.devices.length).toBeGreaterThan(0);
    expect(cuda.products).toMatch(/^cuBLASLt \d+|^own kernels, as cuBLASLt was not found \(/);
    expect(backend).toBe('cuda');
  }
});
