import { configDefaults, defineConfig } from 'vitest/config';

// `--mode interop` (npm run test:interop) adds the tests that want Python with transformers.
export default defineConfig(({ mode }) => ({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...(mode === 'interop' ? [] : ['test/interop/**'])],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // By default one core is left idle.
    maxWorkers: '100%',
  },
}));
