// Builds the library of the CUDA backend with CMake and nvcc, into build/cuda/ (npm run build:cuda). Needs the CUDA
// toolkit's compiler and its static runtime, neither a GPU nor a driver nor cuBLAS.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { findNvcc, root, targetsOf } from './nvcc.mjs';

const out = path.join(root, 'build', 'cuda');

function fail(message, status = 1) {
  console.error(`build:cuda: ${message}`);
  process.exit(status);
}

function run(args) {
  const { status, error } = spawnSync('cmake', args, { cwd: root, stdio: 'inherit' });
  if (error) fail('cmake not found; it must be 3.19 or newer');
  if (status !== 0) fail('the build failed (output above); it needs cmake 3.19 or newer, make and a C++17 compiler');
}

if (process.argv.length > 2) fail(`no such option: ${process.argv[2]}\nusage: npm run build:cuda`, 2);
const { nvcc, release, missing } = findNvcc();
if (missing) fail(missing);
const compiler = path.isAbsolute(nvcc) ? [`-DCMAKE_CUDA_COMPILER=${nvcc}`] : [];
run(['-S', root, '-B', out, '-DBURGEON_CUDA=ON', '-DCMAKE_BUILD_TYPE=Release', ...compiler]);
run(['--build', out, '--target', 'burgeon_cuda', '--parallel', String(os.availableParallelism())]);

const file = path.join(out, 'libburgeon_cuda.so');
const megabytes = (statSync(file).size / 2 ** 20).toFixed(1);
const targets = targetsOf(release).map((name) => `sm_${name}`);
console.log(`${path.relative(root, file)}: ${megabytes} MiB, CUDA ${release}, ${targets.join(', ')} and PTX`);
