// Finding the rivals on this machine: a Python with PyTorch, and the environments it is run in. PyTorch is fastest on a
// CPU with large pages and memory kept between steps, and on processors that are not Intel's with MKL told to use what they
// have; none of that is a default, so each is measured apart.

import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { beside } from './contender.ts';

const run = promisify(execFile);

export interface Environment {
  /** Empty for PyTorch as installed. */
  name: string;
  env: Record<string, string>;
}

export function defaultPython(): string {
  return process.env.BURGEON_PYTHON || 'python3';
}

/** Why this Python will not do; undefined if it will. */
export async function pythonProblem(python: string): Promise<string | undefined> {
  try {
    await run(python, ['-c', 'import numpy, torch']);
    return undefined;
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (code === 'ENOENT') return `${python} was not found: install Python 3, or name one with --python`;
    const reason = stderr?.trim().split('\n').at(-1) ?? String(error);
    return `${reason}: install the rivals with: ${python} -m pip install torch numpy`;
  }
}

const allocator: Record<string, string> = {
  GLIBC_TUNABLES: [
    'glibc.malloc.hugetlb=1',
    'glibc.malloc.mmap_max=0',
    'glibc.malloc.trim_threshold=17179869184',
    'glibc.malloc.top_pad=1073741824',
  ].join(':'),
  THP_MEM_ALLOC_ENABLE: '1',
};

/** PyTorch's environments on this machine, with one line on each that is left out. */
export async function torchEnvironments(): Promise<{ environments: Environment[]; notes: string[] }> {
  const environments: Environment[] = [{ name: '', env: {} }];
  const notes: string[] = [];
  if (process.platform !== 'linux') return { environments, notes: ['tuned PyTorch variants are for Linux only'] };
  environments.push({ name: 'tuned', env: allocator });
  if (process.arch !== 'x64' || /intel/i.test(os.cpus()[0]?.model ?? '')) return { environments, notes };
  try {
    const library = await buildMklOverride();
    environments.push({ name: 'tuned+mkl', env: { ...allocator, LD_PRELOAD: library } });
  } catch {
    notes.push('PyTorch with MKL at its fastest (tuned+mkl) is left out: it needs a C compiler, cc');
  }
  return { environments, notes };
}

/** Compiles mkl-on-any-cpu.c into a temporary folder that goes when this process ends. */
async function buildMklOverride(): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'burgeon-mkl-'));
  process.once('exit', () => rmSync(folder, { recursive: true }));
  const library = path.join(folder, 'mkl-on-any-cpu.so');
  await run('cc', ['-shared', '-fPIC', '-o', library, beside('mkl-on-any-cpu.c')]);
  return library;
}
