// The self-check of a CUDA device, or of the kernels on the host: BURGEON_CUDA_LIBRARY names the library (npm run test:cuda).
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { burgeon } from '../helpers/cli.ts';

describe.skipIf(!process.env.BURGEON_CUDA_LIBRARY)('burgeon selfcheck --device cuda', () => {
  it('passes every check', async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-selfcheck-'));
    try {
      const json = path.join(directory, 'selfcheck.json');
      const result = await burgeon(['selfcheck', '--device', 'cuda', '--quick', '--json', json]);
      const report = JSON.parse(await readFile(json, 'utf8'));
      const notPassed = report.rows.filter((row: { result: string }) => row.result !== 'passed');
      expect(notPassed).toEqual([]);
      expect(report.summary.passed).toBeGreaterThan(50);
      expect(report.machine.device).toBe('cuda:0');
      expect(result.code).toBe(0);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
