import { configDefaults, defineConfig } from 'vitest/config';

// Four folders have a mode of their own: interop wants Python with transformers, package installs the packed package and
// so compiles the addon once more, kills takes minutes, cuda wants a library of kernels in BURGEON_CUDA_LIBRARY (npm run test:interop,
// test:package, test:kills, test:cuda).
export default defineConfig(({ mode }) => ({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [
      ...configDefaults.exclude,
      ...['cuda', 'interop', 'kills', 'package']
        .filter((folder) => folder !== mode)
        .map((folder) => `test/${folder}/**`),
    ],
    globalSetup: ['test/global-setup.ts'],
    reporters: ['default', './test/unfinished-files.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // By default one core is left idle.
    maxWorkers: '100%',
  },
}));
