// A CommonJS module in TypeScript: types come by `import type` with a resolution mode, the package by `import()`. Checked by
// `npm run types`; test/package/jest.test.ts runs such a module.

import type { TrainConfigInput, Trainer } from '../../lib/index.ts' with { 'resolution-mode': 'import' };

const config: TrainConfigInput = { model: 'gpt2-tiny', output: 'runs/a', steps: 10, batchSize: 2 };

async function make(): Promise<Trainer> {
  const burgeon = await import('../../lib/index.ts');
  // @ts-expect-error a preset that does not exist
  await burgeon.Model.create('gtp2');
  return new burgeon.Trainer(config);
}

module.exports = { make };
