// Under Jest, which runs every test file in a realm of its own, as ES modules and as CommonJS. Jest comes from the registry
// that npm is configured for (or its cache); what a realm alone does to the package is test/addon/realm.test.ts, without Jest.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageRoot } from '../../lib/addon/load.ts';

const minutes = 60_000;
let directory: string;

/** The same in both kinds of module; `burgeon` is what the package exports. */
const body = `
  test('trains a step on device: auto', async () => {
    const model = await burgeon.Model.create({ preset: 'gpt2-tiny', vocabSize: 64 }, { threads: 1 });
    const { loss } = await model.forwardBackward(new Int32Array(32), new Int32Array(32));
    expect(loss).toBeGreaterThan(3);
    await expect(model.forward(Int32Array.of(99))).rejects.toBeInstanceOf(burgeon.BurgeonError);
    await expect(burgeon.Model.load('nowhere')).rejects.toMatchObject({ code: 'ERR_BURGEON_CHECKPOINT' });
    model.dispose();
  });
  test('prepares text and stops at a signal', async () => {
    const at = fs.mkdtempSync(__test + '/');
    fs.writeFileSync(at + '/book.txt', 'It was the best of times. '.repeat(400));
    await burgeon.prepare({ inputs: [at + '/book.txt'], output: at + '/data', tokenizer: 'chars', workers: 2 });
    const stopping = new AbortController();
    const trainer = new burgeon.Trainer(
      { model: 'gpt2-tiny', data: { directory: at + '/data' }, output: at + '/run', steps: 4, batchSize: 4 },
      { signal: stopping.signal },
    );
    for await (const { step } of trainer.run()) if (step === 3) stopping.abort();
    expect(trainer.step).toBe(3);
    await trainer.close();
  });
`;

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-jest-'));
  const runs = `const __test = ${JSON.stringify(directory)};`;
  const files = {
    'package.json': '{"name": "project", "private": true}',
    // Time decides nothing, however busy the machine.
    'jest.config.json': JSON.stringify({ testMatch: ['**/*.test.{mjs,cjs}'], transform: {}, testTimeout: 100_000 }),
    'modules.test.mjs': `import fs from 'node:fs';\nimport * as burgeon from 'burgeon';\n${runs}${body}`,
    'common.test.cjs': `const fs = require('node:fs');\nlet burgeon;\nbeforeAll(async () => { burgeon = await import('burgeon'); });\n${runs}${body}`,
  };
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(directory, name), content);
  const install = ['install', 'jest', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts'];
  await promisify(execFile)('npm', install, { cwd: directory });
  await mkdir(path.join(directory, 'node_modules'), { recursive: true });
  await symlink(packageRoot, path.join(directory, 'node_modules', 'burgeon'));
}, 5 * minutes);
afterAll(() => rm(directory, { recursive: true }));

test('Jest runs programs that use the package, as ES modules and as CommonJS', { timeout: 2 * minutes }, async () => {
  const env = { ...process.env, NODE_OPTIONS: '--experimental-vm-modules', BURGEON_DEVICE: '' };
  const jest = path.join('node_modules', 'jest', 'bin', 'jest.js');
  const { stderr } = await promisify(execFile)(process.execPath, [jest, '--ci', '--forceExit'], {
    cwd: directory,
    env,
  }).catch((error) => {
    throw new Error(`${error.stdout}\n${error.stderr}`);
  });
  expect(stderr).toContain('Tests:       4 passed, 4 total');
});
