import { configDefaults, defineConfig } from 'vitest/config';

// Folders with a mode of their own, which `npm test` leaves out: interop wants Python with transformers, package makes and installs a
// release and so compiles the addon twice, damage, faults, kills and places take minutes, cuda wants a library of kernels in
// BURGEON_CUDA_LIBRARY (npm run test:interop, test:package, ...).
export default defineConfig(({ mode }) => ({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [
      ...configDefaults.exclude,
      ...['cuda', 'damage', 'faults', 'interop', 'kills', 'package', 'places']
        .filter((folder) => folder !== mode)
        .map((folder) => `test/${folder}/**`),
    ],
    globalSetup: ['test/global-setup.ts'],
    reporters: ['default', './test/unfinished-files.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxConcurrency: mode === 'faults' ? 6 : 5,
    // By default one core is left idle.
    maxWorkers: '100%',
    // Each of the package's tests makes a release anew.
    fileParallelism: mode !== 'package',
  },
}));
