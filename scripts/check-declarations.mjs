// Compares our declarations of libraries that are opened at run time with NVIDIA's headers, where there are any: in CUBLASLT_INCLUDE and
// NCCL_INCLUDE, or in the include folder of CUDA_HOME, CUDA_PATH or /usr/local/cuda. Part of npm run check:cuda.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { root } from './nvcc.mjs';

const libraries = [
  { name: 'cuBLASLt', header: 'cublasLt.h', ours: 'cublaslt', given: process.env.CUBLASLT_INCLUDE },
  { name: 'NCCL', header: 'nccl.h', ours: 'nccl', given: process.env.NCCL_INCLUDE },
];
const homes = [process.env.CUDA_HOME, process.env.CUDA_PATH, '/usr/local/cuda'].filter(Boolean);
const toolkit = homes.map((home) => path.join(home, 'include')).filter((folder) => existsSync(folder));

for (const { name, header, ours, given } of libraries) {
  const folders = [given, ...toolkit].filter(Boolean);
  const file = folders.map((folder) => path.join(folder, header)).find((each) => existsSync(each));
  if (file === undefined) {
    console.log(`${header} not found (${folders.join(', ')}): declarations of ${name} not compared`);
    continue;
  }
  const includes = ['native', path.dirname(file), ...toolkit].map((folder) => `-I${folder}`);
  const source = `native/backend/cuda/library/${ours}_values.cc`;
  const compiler = process.env.CXX ?? 'c++';
  const { status, error } = spawnSync(compiler, ['-std=c++17', '-fsyntax-only', ...includes, source], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) {
    console.error(
      `check:cuda: native/backend/cuda/library/${ours}.h differs from ${file}${error ? `: ${error.message}` : ''}`,
    );
    process.exit(1);
  }
  console.log(`declarations of ${name} are those of ${file}`);
}
