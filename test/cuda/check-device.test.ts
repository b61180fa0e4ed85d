// scripts/check-device.mjs on a CUDA device, or on the kernels on the host: BURGEON_CUDA_LIBRARY names the library (npm run test:cuda).
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runNode } from '../helpers/cli.ts';

interface Row {
  part: string;
  result: string;
  date: string;
  why?: string;
  note?: string;
  figures?: { name: string; ms: number }[];
}

describe.skipIf(!process.env.BURGEON_CUDA_LIBRARY)('scripts/check-device.mjs --tiny', { timeout: 300_000 }, () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-device-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  const check = (args: string[], env: Record<string, string> = {}) =>
    runNode(['scripts/check-device.mjs', '--tiny', '--output', path.join(directory, 'results'), ...args], { env });
  const read = async (name: string) => JSON.parse(await readFile(path.join(directory, 'results', name), 'utf8'));
  const row = async (part: string): Promise<Row> =>
    (await read('summary.json')).rows.find((each: Row) => each.part === part);

  it('runs the parts that are asked for, each with its JSON, and none twice', async () => {
    const { code, stdout, stderr } = await check(['--part', 'peak,ops,attention-passes,model,selfcheck-own-products']);
    expect(code, stdout + stderr).toBe(0);
    expect(stdout).toMatch(/^6 passed, 0 failed, 0 not run, 0 open; results in .+$/m);
    expect((await read('peak.json')).entries).toHaveLength(3);
    expect((await read('selfcheck-own-products.json')).summary.failed).toBe(0);
    expect(await readFile(path.join(directory, 'results', 'ops-tiny.txt'), 'utf8')).toContain('caches cold');
    const { date } = await row('peak');
    await check(['--part', 'peak']);
    expect((await row('peak')).date).toBe(date);
    await check(['--part', 'peak', '--again']);
    expect((await row('peak')).date).not.toBe(date);
  });

  it('starts nothing that would not fit, and lists what is open', async () => {
    const { code, stdout } = await check(['--budget', '5']);
    expect(code).toBe(0);
    expect(stdout).toContain('selfcheck-quick takes about 30 s and was not started: give --budget 40 or more');
    expect((await read('summary.json')).open).toContain('train-stack-4');
    expect((await check(['--list'])).stdout).toMatch(/^train-dense +240 s {2}open$/m);
  });

  it('trains, dense and growing, with the losses of the CPU; nothing large is left', async () => {
    const empty = await check(['--part', 'train-dense', '--data', directory]);
    expect(empty).toMatchObject({ code: 1, stdout: expect.stringMatching(/^ {2}failed, .+manifest\.json/m) });
    const { code, stdout, stderr } = await check(['--part', 'text,first-steps,profile,train']);
    expect(code, stdout + stderr).toBe(0);
    expect((await row('first-steps')).note).toMatch(/^losses of 20 steps within 0\.\d+ % of the CPU's$/);
    expect((await read('first-steps.json'))['stack-4'].cpu).toHaveLength(10);
    expect((await row('train-stack-4')).note).toMatch(/^validation loss [\d.]+ to [\d.]+, \d+ tokens\/s/);
    expect((await row('profile')).note).toMatch(
      /^forward [\d.]+ %, backward [\d.]+ %, optimizer [\d.]+ %, idle -?[\d.]+ %$/,
    );
    expect((await read('train-dense.json')).summary.steps).toBe(8);
    const run = path.join(directory, 'results', 'train-dense.run');
    expect((await stat(path.join(run, 'metrics.jsonl'))).size).toBeGreaterThan(0);
    await expect(stat(path.join(run, 'checkpoint-00000008'))).rejects.toThrow();
  });

  it('says by name what cannot be run', async () => {
    const env = { PATH: directory, CUDA_HOME: directory, BURGEON_PYTHON: path.join(directory, 'none') };
    const { code } = await check(['--part', 'sanitize-memcheck,pytorch'], env);
    expect(code).toBe(0);
    expect(await row('pytorch-tiny')).toMatchObject({
      result: 'not run',
      why: expect.stringContaining('no Python with a torch'),
    });
    if (!process.env.BURGEON_CUDA_LIBRARY?.includes('host')) return;
    expect(await row('sanitize-memcheck')).toMatchObject({
      result: 'not run',
      why: expect.stringContaining('compute-sanitizer not found'),
    });
  });

  it('trains on two devices to the losses of one, where there are two', async () => {
    const library = process.env.BURGEON_CUDA_LIBRARY!;
    if (!library.includes('host')) return;
    const nccl = path.join(path.dirname(library), 'libburgeon_nccl_host.so');
    expect((await check(['--part', 'two-devices'])).code).toBe(0);
    expect(await row('two-devices')).toMatchObject({
      result: 'not run',
      why: 'one device; several have never been tried',
    });
    const env = { BURGEON_CUDA_HOST_DEVICES: '2', BURGEON_NCCL_LIBRARY: nccl };
    const { code, stdout } = await check(['--part', 'two-devices'], env);
    expect(code, stdout).toBe(0);
    expect(await row('two-devices')).toMatchObject({
      result: 'passed',
      note: 'same losses on 1 and 2 devices, by NCCL 2.29.0',
    });
  });

  it('holds steps against those of a PyTorch that sees the device', async () => {
    const { name } = (await read('doctor.json')).cuda.devices[0];
    const python = path.join(directory, 'python3');
    const entries = [{ name: 'dense', samples: [2, 4] }];
    // Answers as a Python with torch: the device's name, and a file of steps.
    const answer = `if [ "$1" = -c ]; then echo "${name}"; else for file; do :; done; echo '${JSON.stringify({ entries })}' > "$file"; fi`;
    await writeFile(python, `#!/bin/sh\n${answer}\n`);
    await chmod(python, 0o755);
    const { code, stdout } = await check(['--part', 'pytorch'], { BURGEON_PYTHON: python });
    expect(code, stdout).toBe(0);
    const found = await row('pytorch-tiny');
    expect(found.figures).toEqual([{ name: 'tiny in PyTorch', ms: 3 }]);
    expect(found.note).toMatch(/^burgeon takes [\d.]+ % of PyTorch's time$/);
    expect(await readFile(path.join(directory, 'results', 'pytorch-tiny.txt'), 'utf8')).toMatch(
      /pytorch_device\.py tiny --device cuda:0 --rounds 1 --json /,
    );
  });
});
