// burgeon is installed by every package manager without a script, a compiler or the network, and trains.
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageVersion } from '../../lib/package.ts';
import { fetchManagers, install, managers } from './managers.ts';
import { type Registry, serveRegistry } from './registry.ts';
import { minutes, platform, release, run } from './release.ts';

let directory: string;
let registry: Registry;

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-managers-'));
  await fetchManagers();
  registry = await serveRegistry(await release(path.join(directory, 'release')), directory);
}, 10 * minutes);
afterAll(async () => {
  registry?.close();
  await rm(directory, { recursive: true });
});

const step = `
import { Model } from 'burgeon';
using model = await Model.create({ preset: 'gpt2-nano', vocabSize: 64 }, { device: 'cpu', seed: 1 });
const tokens = new Int32Array(16).fill(1);
const { loss } = await model.forwardBackward(tokens, tokens, { batchSize: 1 });
await model.optimizerStep({ lr: 1e-3 });
console.log(loss > 0 ? 'trained a step' : loss);
`.replace('using model', 'const model');

async function project(name: string): Promise<string> {
  const folder = path.join(directory, name);
  await mkdir(folder);
  await writeFile(path.join(folder, 'package.json'), '{"name": "project", "private": true, "type": "module"}');
  await writeFile(path.join(folder, 'step.js'), step);
  return folder;
}

describe.each(Object.entries(managers()))('%s', (name, manager) => {
  it(
    'installs burgeon with the addon of this platform and no other, which trains',
    async () => {
      const folder = await project(name);
      await install(manager, folder, registry.url, 'burgeon');
      expect(await run(folder, process.execPath, ['step.js'])).toBe('trained a step\n');
      const doctor = await run(folder, process.execPath, ['node_modules/burgeon/dist/cli/main.js', 'doctor', '--json']);
      expect(JSON.parse(doctor).addon).toContain(path.join('@burgeon', platform, 'burgeon.node'));
    },
    5 * minutes,
  );
});

describe('without the package of the platform', () => {
  it(
    'names it and the command, and builds the addon from @burgeon/source',
    async () => {
      const folder = await project('source');
      const { npm } = managers();
      await install(
        { ...npm, add: (url, name) => [...npm.add(url, name), '--omit=optional'] },
        folder,
        registry.url,
        'burgeon',
      );
      const failure = await run(folder, process.execPath, ['step.js']).catch((error: Error) => error.message);
      expect(failure).toContain(`@burgeon/${platform} is not installed`);
      expect(failure).toContain(`what helps: npm install @burgeon/${platform}@${packageVersion}`);
      const burgeon = (...args: string[]) =>
        run(folder, process.execPath, ['node_modules/burgeon/dist/cli/main.js', ...args]);
      await expect(burgeon('build')).rejects.toThrow(`npm install @burgeon/source@${packageVersion}`);
      await install(npm, folder, registry.url, '@burgeon/source');
      const source = path.join('node_modules', '@burgeon', 'source', 'source', 'build');
      expect(await burgeon('build')).toContain(path.join(source, 'Release', 'burgeon.node'));
      expect(await readdir(path.join(folder, source))).toEqual(['Release']);
      await rm(path.join(folder, 'node_modules', '@burgeon', platform), { recursive: true, force: true });
      expect(await run(folder, process.execPath, ['step.js'])).toBe('trained a step\n');
    },
    10 * minutes,
  );
});
