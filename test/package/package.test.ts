// The packages as their users get them: made as for a release, installed into an empty project from a registry on this
// machine, type-checked, and used there.
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot, packageVersion } from '../../lib/package.ts';
import { install, managers } from './managers.ts';
import { type Registry, serveRegistry } from './registry.ts';
import { minutes, platform, release, run } from './release.ts';

let directory: string;
let tarballs: string[];
let registry: Registry;

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-package-'));
  tarballs = await release(path.join(directory, 'release'));
  registry = await serveRegistry(tarballs, directory);
}, 10 * minutes);
afterAll(async () => {
  registry?.close();
  await rm(directory, { recursive: true });
});

const tarball = (name: string) => tarballs.find((file) => path.basename(file) === `${name}-${packageVersion}.tgz`)!;

/** Unpacks a tarball of the release and returns its folder. */
async function unpack(name: string): Promise<string> {
  const folder = path.join(directory, name);
  await mkdir(folder);
  await run(folder, 'tar', ['-xzf', tarball(name)]);
  return path.join(folder, 'package');
}

/** Files below a directory, relative to it, with forward slashes. */
async function filesBelow(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
}

describe('burgeon', () => {
  let unpacked: string;
  let files: string[];

  beforeAll(async () => {
    unpacked = await unpack('burgeon');
    files = await filesBelow(unpacked);
  });

  it('holds what a user needs, and nothing else', async () => {
    // The sources of each page are bundled into one file.
    const sources = (await filesBelow(path.join(packageRoot, 'lib'))).filter(
      (name) => name.endsWith('.ts') && !/^(bench|report)\/page\//.test(name),
    );
    const compiled = sources.flatMap((name) =>
      ['.js', '.d.ts'].map((ending) => `dist/${name.replace(/\.ts$/, ending)}`),
    );
    const inFolders = async (folder: string) =>
      (await filesBelow(path.join(packageRoot, folder))).map((name) => `${folder}/${name}`);
    expect(files.sort()).toEqual(
      [
        ...compiled,
        'dist/bench/page.html',
        'dist/report/page.html',
        'dist/sweep.schema.json',
        'dist/train-config.schema.json',
        'lib/tokenizer/gpt2-merges.bin',
        ...(await inFolders('configs')),
        ...(await inFolders('docs')),
        ...(await inFolders('examples')),
        'package.json',
        'README.md',
        'LICENSE',
        'CHANGELOG.md',
      ].sort(),
    );
    expect(files).toContain('docs/api.md');
    expect(files).toContain('docs/errors.md');
  });

  it('runs nothing when it is installed, and wants the packages of all platforms at its own version', async () => {
    const manifest = JSON.parse(await readFile(path.join(unpacked, 'package.json'), 'utf8'));
    expect(manifest.scripts).toBeUndefined();
    expect(manifest.optionalDependencies).toMatchObject({
      [`@burgeon/${platform}`]: packageVersion,
      '@burgeon/darwin-arm64': packageVersion,
      '@burgeon/linux-x64-cuda': packageVersion,
    });
    expect(Object.keys(manifest.dependencies)).not.toContain('node-gyp');
  });

  it('is small', async () => {
    for (const name of files) expect((await stat(path.join(unpacked, name))).size, name).toBeLessThan(500_000);
    // 170 kB of it are the merges of GPT-2, 40 kB the text of `burgeon init`.
    expect((await stat(tarball('burgeon'))).size).toBeLessThan(1_300_000);
  });
});

describe('@burgeon/source', () => {
  it('holds every source that binding.gyp compiles, where no package manager compiles it unasked', async () => {
    const unpacked = await unpack('burgeon-source');
    const files = await filesBelow(unpacked);
    const sources: Record<string, string[]> = JSON.parse(
      await readFile(path.join(unpacked, 'source', 'native', 'sources.json'), 'utf8'),
    );
    for (const list of ['engine', 'perIsa', 'addon', 'cuda', 'cudaSm90', 'cudaDevice']) {
      expect(files).toEqual(expect.arrayContaining(sources[list]!.map((name) => `source/${name}`)));
    }
    expect(files).not.toContain('binding.gyp');
    const manifest = JSON.parse(await readFile(path.join(unpacked, 'package.json'), 'utf8'));
    expect(manifest.scripts).toBeUndefined();
  });
});

describe(`@burgeon/${platform}`, () => {
  it('is the addon of this platform alone, stripped', async () => {
    const unpacked = await unpack(`burgeon-${platform}`);
    expect((await filesBelow(unpacked)).sort()).toEqual(['LICENSE', 'README.md', 'burgeon.node', 'package.json']);
    const { os, cpu } = JSON.parse(await readFile(path.join(unpacked, 'package.json'), 'utf8'));
    expect([os, cpu]).toEqual([[process.platform], [process.arch]]);
    expect((await stat(tarball(`burgeon-${platform}`))).size).toBeLessThan(4_000_000);
  });

  it.runIf(process.platform === 'linux')('runs on glibc 2.28 and newer', async () => {
    const addon = path.join(directory, `burgeon-${platform}`, 'package', 'burgeon.node');
    const symbols = await run(directory, 'objdump', ['-T', addon]);
    const versions = [...symbols.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
    expect(versions.length).toBeGreaterThan(10);
    expect(Math.max(...versions)).toBeLessThanOrEqual(28);
    expect(symbols).not.toContain('GLIBCXX');
  });
});

/** A program in TypeScript that uses much of the interface, some of it wrongly on purpose. */
const consumer = `
import {
  type BackwardOptions, BurgeonError, type BurgeonErrorCode, createTokenizer, errorCodes, flops, type GenerateOptions,
  loadTokenizer, loadTrainConfig, measurePeak, Model, type ModelConfig, modelPresetNames, parseModelConfig,
  parseTrainConfig, planSchedule, prepare, type Rates, readManifest, type RunSummary, Schedule, type StageConfig,
  type StepRecord, sampleSubnetwork, type Subnetwork, type TensorData, type Tokenizer, type TrainConfig,
  type TrainConfigInput, Trainer,
} from 'burgeon';

export async function use(): Promise<RunSummary> {
  const config: ModelConfig = parseModelConfig({ preset: 'gpt2-nano', vocabSize: 256 });
  const model = await Model.create(config, { precision: 'float32', device: 'cpu', threads: 2, seed: 1 });
  const rates: Rates = { heads: 0.5, neurons: 0.5, layers: 0.5 };
  const subnetwork: Subnetwork = sampleSubnetwork({ ...config, rates }, { seed: 1, step: 0, group: 0 });
  const own: Subnetwork = { layers: Int32Array.of(0, 2), heads: [Int32Array.of(1), undefined] };
  const options: BackwardOptions = { batchSize: 1, subnetwork, weight: 0.5 };
  const { loss, forwardFlops } = await model.forwardBackward(new Int32Array(8), new Int32Array(8), options);
  const block: number = flops.blockFlops(forwardFlops) + loss;
  const { logits } = await model.forward(new Int32Array(8), { logits: 'last', subnetwork: own });
  const data: TensorData | undefined = logits;
  const generation: GenerateOptions = { signal: undefined, maxTokens: 3 };
  for await (const token of model.generate([1, 2, 3], generation)) token satisfies number;
  try {
    await model.optimizerStep({ lr: 1e-3 });
  } catch (error) {
    if (!(error instanceof BurgeonError)) throw error;
    const code: BurgeonErrorCode = error.code;
    if (code === 'ERR_BURGEON_NONFINITE') throw new Error(errorCodes.join());
    // @ts-expect-error no such code
    if (code === 'ERR_BURGEON_MISSING') throw error;
  }
  model[Symbol.dispose]();
  // @ts-expect-error lr is required
  model.optimizerStep({});
  // @ts-expect-error tokens are an Int32Array
  model.forward([1, 2, 3]);
  // @ts-expect-error no such precision
  Model.create(config, { precision: 'float16' });

  const stages: StageConfig[] = [{ endFraction: 0.5, heads: [0.25, 1] }, {}];
  const schedule = new Schedule(stages, 100);
  const plan = planSchedule(config, schedule, { sequencesPerStep: 8, sequenceLength: 32 });
  const tokenizer: Tokenizer = createTokenizer({ name: 'bytes' });
  // @ts-expect-error no such preset
  Model.create('gtp2');
  // @ts-expect-error no such key
  new Trainer({ model: 'gpt2', output: 'a', steps: 1, batchSize: 1, optimizer: { lr: 1 } });
  const input: TrainConfigInput = { model: { preset: 'gpt2-tiny' }, output: 'a', steps: 1, batchSize: 1, seed: undefined };
  new Trainer(input, { signal: undefined });
  const train: TrainConfig = parseTrainConfig({});
  const trainer = new Trainer(train, { start: 'resume', onNote: (note: string) => void note });
  for await (const record of trainer.run()) {
    const { step, validation }: StepRecord = record;
    const validationLoss: number | undefined = validation?.loss;
    void [step, validationLoss];
  }
  void [block, data, plan.blockSaving, tokenizer.encode(''), modelPresetNames, (await measurePeak(1)).flopsPerSecond];
  void [loadTokenizer, loadTrainConfig, prepare, readManifest];
  return trainer.summary;
}
`;

/** The same in CommonJS. */
const commonConsumer = `
import type { TrainConfigInput } from 'burgeon' with { 'resolution-mode': 'import' };

const config: TrainConfigInput = { model: 'gpt2-tiny', output: 'a', steps: 1, batchSize: 1 };
module.exports = import('burgeon').then(({ Trainer }) => new Trainer(config));
`;

describe('the installed package', () => {
  let project: string;

  beforeAll(async () => {
    project = path.join(directory, 'project');
    await mkdir(project);
    await writeFile(path.join(project, 'package.json'), '{"name": "project", "private": true, "type": "module"}');
    await install(managers().npm, project, registry.url, 'burgeon');
    expect(registry.missing).not.toContain('burgeon');
    // As somebody would who wants to change them.
    await cp(path.join(project, 'node_modules', 'burgeon', 'examples'), path.join(project, 'examples'), {
      recursive: true,
    });
  }, 5 * minutes);

  it(
    'type-checks in a strict project, libraries included',
    async () => {
      await writeFile(path.join(project, 'consumer.ts'), consumer);
      await writeFile(path.join(project, 'common.cts'), commonConsumer);
      const compilerOptions = {
        target: 'es2022',
        lib: ['es2023'],
        module: 'nodenext',
        moduleResolution: 'nodenext',
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
        noEmit: true,
        allowJs: true,
        checkJs: true,
        types: ['node'],
        typeRoots: [path.join(packageRoot, 'node_modules', '@types')],
      };
      const config = { compilerOptions, include: ['consumer.ts', 'common.cts', 'examples'] };
      await writeFile(path.join(project, 'tsconfig.json'), JSON.stringify(config));
      const tsc = path.join(packageRoot, 'node_modules', 'typescript', 'bin', 'tsc');
      await run(project, process.execPath, [tsc, '-p', '.']);
    },
    2 * minutes,
  );

  it('has the command', async () => {
    expect(await run(project, 'npx', ['burgeon', '--version'])).toBe(`${packageVersion}\n`);
    expect(await run(project, 'npx', ['burgeon', 'doctor', '--help'])).toContain('burgeon doctor');
  });

  it('runs the example of embedding', async () => {
    const output = await run(project, process.execPath, ['examples/embed.mjs', 'model']);
    expect(output).toContain('% of the block FLOPs were never executed');
    expect(output).toContain('saved to model; loaded, it has the same loss');
    expect(await readdir(path.join(project, 'model'))).toContain('model.safetensors');
  });

  it('runs the example of worker threads', async () => {
    expect(await run(project, process.execPath, ['examples/worker.mjs'])).toMatch(
      /^seed 1: loss 0\.\d+\nseed 2: loss 0\.\d+\n$/,
    );
  });

  it('runs the example of a trainer, which goes on where it stopped', async () => {
    const output = await run(project, process.execPath, ['examples/trainer.mjs', 'run']);
    expect(output).toContain('step 60, stage 3');
    expect(output).toContain('% of the block FLOPs saved');
    const again = await run(project, process.execPath, ['examples/trainer.mjs', 'run']);
    expect(again).not.toContain('step 10,');
    expect(again).toContain('60 steps, ');
  });

  it('offers nothing but its public names', async () => {
    const deep = "await import('burgeon/dist/model/model.js').catch((error) => console.log(error.code))";
    expect(await run(project, process.execPath, ['--input-type=module', '-e', deep])).toBe(
      'ERR_PACKAGE_PATH_NOT_EXPORTED\n',
    );
  });
});
