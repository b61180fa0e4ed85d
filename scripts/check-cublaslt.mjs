// Compares the declarations in native/backend/cuda/library/cublaslt.h with NVIDIA's header, where there is one: in CUBLASLT_INCLUDE, or
// in the include folder of CUDA_HOME, CUDA_PATH or /usr/local/cuda. Part of npm run check:cuda.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { root } from './nvcc.mjs';

const homes = [process.env.CUDA_HOME, process.env.CUDA_PATH, '/usr/local/cuda'].filter(Boolean);
const toolkit = homes.map((home) => path.join(home, 'include')).filter((folder) => existsSync(folder));
const folders = [process.env.CUBLASLT_INCLUDE, ...toolkit].filter(Boolean);
const header = folders.map((folder) => path.join(folder, 'cublasLt.h')).find((file) => existsSync(file));

if (header === undefined) {
  console.log(`cublasLt.h not found (${folders.join(', ')}): declarations of cuBLASLt not compared`);
} else {
  const includes = ['native', path.dirname(header), ...toolkit].map((folder) => `-I${folder}`);
  const source = 'native/backend/cuda/library/cublaslt_values.cc';
  const compiler = process.env.CXX ?? 'c++';
  const { status, error } = spawnSync(compiler, ['-std=c++17', '-fsyntax-only', ...includes, source], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) {
    console.error(
      `check:cuda: native/backend/cuda/library/cublaslt.h differs from ${header}${error ? `: ${error.message}` : ''}`,
    );
    process.exit(1);
  }
  console.log(`declarations of cuBLASLt are those of ${header}`);
}
