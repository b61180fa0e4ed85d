// The CUDA compiler, the targets it knows of those in native/kernels/cuda/targets.json, and the kernels' sources.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const oldest = '12.4';

const readJson = (file) => JSON.parse(readFileSync(path.join(root, file), 'utf8'));
const number = (version) => version.split('.').reduce((sum, part) => sum * 1000 + Number(part), 0);

/** Where CUDA_HOME or CUDA_PATH, the search path or the usual place have it: { nvcc, release }, or { missing: why }. */
export function findNvcc() {
  const homes = [process.env.CUDA_HOME, process.env.CUDA_PATH].filter(Boolean);
  const candidates = [...homes.map((home) => path.join(home, 'bin', 'nvcc')), 'nvcc', '/usr/local/cuda/bin/nvcc'];
  for (const nvcc of candidates) {
    if (path.isAbsolute(nvcc) && !existsSync(nvcc)) continue;
    const { status, stdout } = spawnSync(nvcc, ['--version'], { encoding: 'utf8' });
    const release = status === 0 ? /release (\d+\.\d+)/.exec(stdout)?.[1] : undefined;
    if (release === undefined) continue;
    if (number(release) >= number(oldest)) return { nvcc, release };
    return { missing: `${nvcc} is of CUDA ${release}; the kernels need ${oldest} or newer` };
  }
  return {
    missing: `nvcc not found (${candidates.join(', ')}); install the CUDA toolkit, ${oldest} or newer, or set CUDA_HOME`,
  };
}

/** The names of targets that a toolkit knows. */
export function targetsOf(release) {
  const { targets } = readJson('native/kernels/cuda/targets.json');
  return targets.filter(({ toolkit }) => number(release) >= number(toolkit)).map(({ name }) => name);
}

/** The files with kernels, relative to the root, and for which of these targets each is compiled: [{ file, targets }]. */
export function kernelSources(targets) {
  const { cuda, cudaSm90 } = readJson('native/sources.json');
  const only = targets.filter((name) => name === '90a');
  return [
    ...cuda.filter((file) => file.endsWith('_cuda.cu')).map((file) => ({ file, targets })),
    ...cudaSm90.map((file) => ({ file, targets: only })),
  ];
}
