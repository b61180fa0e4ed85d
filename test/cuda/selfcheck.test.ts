// The self-check of a CUDA device, or of the kernels on the host: BURGEON_CUDA_LIBRARY names the library (npm run test:cuda).
import { existsSync } from 'node:fs';
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
      // Its stand-in, beside a library whose kernels run on the host; a machine with a device may have none.
      const standIn = path.join(path.dirname(process.env.BURGEON_CUDA_LIBRARY!), 'libburgeon_nccl_host.so');
      const env = existsSync(standIn) ? { BURGEON_NCCL_LIBRARY: standIn } : {};
      const result = await burgeon(['selfcheck', '--device', 'cuda', '--quick', '--json', json], { env });
      const report = JSON.parse(await readFile(json, 'utf8'));
      const notPassed = report.rows.filter((row: { result: string }) => row.result !== 'passed');
      const hasNccl = report.rows.some(({ name }: { name: string }) => name.startsWith('NCCL, one rank: '));
      expect(hasNccl || !existsSync(standIn)).toBe(true);
      expect(notPassed).toEqual(
        hasNccl ? [] : [expect.objectContaining({ name: 'NCCL, one rank', result: 'not run' })],
      );
      expect(report.summary.passed).toBeGreaterThan(50);
      expect(report.machine.device).toBe('cuda:0');
      expect(result.code).toBe(0);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
