// burgeon bench of a CUDA device, or of the kernels on the host: BURGEON_CUDA_LIBRARY names the library (npm run test:cuda).
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { burgeon } from '../helpers/cli.ts';

describe.skipIf(!process.env.BURGEON_CUDA_LIBRARY)('burgeon bench --device cuda', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-bench-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  /** Measures something tiny; what it prints and the file it writes. */
  async function bench(...args: string[]) {
    const json = path.join(directory, 'result.json');
    const line = ['bench', ...args, '--device', 'cuda', '--tiny', '--rounds', '1', '--json', json];
    const result = await burgeon(line, { cwd: directory });
    expect(result, result.stderr).toMatchObject({ code: 0, stderr: '' });
    for (const text of result.stdout.split('\n')) expect(text.length, text).toBeLessThanOrEqual(100);
    const file = JSON.parse(await readFile(json, 'utf8'));
    expect(file.machine.cuda).toMatchObject({ device: 'cuda:0', name: expect.any(String) });
    expect(result.stdout).toContain(`device     cuda:0 ${file.machine.cuda.name}, `);
    const keys: string[] = file.entries.map(({ key }: { key: string }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    return { stdout: result.stdout, entries: file.entries, keys };
  }

  it.runIf(process.env.BURGEON_CUDA_LIBRARY?.includes('host'))('is refused where it would take hours', async () => {
    const { code, stderr } = await burgeon(['bench', 'ops', '--device', 'cuda']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^burgeon: bench: the kernels of .+ run on the host, .+; give --tiny, or --device cpu\n$/);
  });

  it('peak: products and copies in its memory', async () => {
    const { stdout, keys } = await bench('peak');
    expect(keys).toEqual(['fp32 cuda:0', 'bf16 cuda:0', 'copy cuda:0']);
    expect(stdout).toContain('large square products');
  });

  it('ops: in bf16, with gathered weights', async () => {
    const { keys, entries } = await bench('ops');
    expect(keys).toContain('tiny gather rate=0.5 bf16 cuda:0 warm');
    expect(keys).toContain('tiny attention_backward rate=0.25 bf16 cuda:0 warm');
    for (const { error } of entries) expect(error).toBeLessThan(3e-2);
  });

  it('ops: a copy of as many bytes beside each where caches are cold', async () => {
    const { stdout } = await bench('ops', 'scatter', '--cold');
    expect(stdout).toContain('caches cold');
  });

  it('model: steps, and what a run saves', async () => {
    const { stdout, entries } = await bench('model');
    expect(entries[0]).toMatchObject({ key: 'tiny dense groups=1 freeze bf16 cuda:0', batchSize: 4 });
    expect(entries[0].savings).toMatchObject([
      { schedule: 'est-gpt2', groups: 1, inactive: 'freeze' },
      { schedule: 'est-gpt2', groups: 4, inactive: 'zero-grad' },
    ]);
    expect(stdout).toMatch(/^saving +est-gpt2, 1 group, freeze: /m);
    expect(stdout).not.toContain('gate');
  });
});
