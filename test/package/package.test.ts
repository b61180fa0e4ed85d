// The package as its users get it: packed, installed into an empty project from the registry that npm is configured for
// (which builds the addon), type-checked, and used there. Works on a copy of the tree, so that packing does not rewrite
// the dist/ that other tests are reading.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot, packageVersion } from '../../lib/addon/load.ts';

const minutes = 60_000;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-package-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** Runs a program to its end and returns what it printed; a failure says everything it printed. */
async function run(cwd: string, command: string, ...args: string[]): Promise<string> {
  try {
    return (await promisify(execFile)(command, args, { cwd, timeout: 4 * minutes, maxBuffer: 2 ** 26 })).stdout;
  } catch (error) {
    const { message, stdout, stderr } = error as Error & { stdout: string; stderr: string };
    throw new Error(`${message}\n${stdout}\n${stderr}`);
  }
}

/** Files below a directory, relative to it, with forward slashes. */
async function filesBelow(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
}

/** Packs a copy of the tree that also holds what must not be packed; returns the tarball. */
async function pack(): Promise<string> {
  const tree = path.join(directory, 'tree');
  const left = /^(\.git|node_modules|build.*|dist|runs|data|.*\.tgz)$/;
  for (const name of await readdir(packageRoot)) {
    if (!left.test(name)) await cp(path.join(packageRoot, name), path.join(tree, name), { recursive: true });
  }
  await symlink(path.join(packageRoot, 'node_modules'), path.join(tree, 'node_modules'));
  for (const output of [
    'build/Release/burgeon.node',
    'build-native/test',
    'runs/demo/log',
    'data/text.bin',
    'old.tgz',
  ]) {
    await mkdir(path.dirname(path.join(tree, output)), { recursive: true });
    await writeFile(path.join(tree, output), 'not for users');
  }
  await run(tree, 'npm', 'pack', '--pack-destination', directory);
  const name = `burgeon-${packageVersion}.tgz`;
  expect(await readdir(directory)).toContain(name);
  return path.join(directory, name);
}

let tarball: string;

beforeAll(async () => {
  tarball = await pack();
}, 2 * minutes);

describe('the tarball', () => {
  let unpacked: string;
  let files: string[];

  beforeAll(async () => {
    await run(directory, 'tar', '-xzf', tarball);
    unpacked = path.join(directory, 'package');
    files = await filesBelow(unpacked);
  });

  it('holds what a user needs, and nothing else', async () => {
    // The page's sources are bundled into one file.
    const sources = (await filesBelow(path.join(packageRoot, 'lib'))).filter(
      (name) => name.endsWith('.ts') && !name.startsWith('report/page/'),
    );
    const compiled = sources.flatMap((name) =>
      ['.js', '.d.ts'].map((ending) => `dist/${name.replace(/\.ts$/, ending)}`),
    );
    const native = (await filesBelow(path.join(packageRoot, 'native'))).filter(
      (name) => !/^test\/|^kernels\/cuda\/host\//.test(name),
    );
    const inFolders = async (folder: string) =>
      (await filesBelow(path.join(packageRoot, folder))).map((name) => `${folder}/${name}`);
    expect(files.sort()).toEqual(
      [
        ...compiled,
        'dist/report/page.html',
        'lib/tokenizer/gpt2-merges.bin',
        ...native.map((name) => `native/${name}`),
        ...(await inFolders('configs')),
        ...(await inFolders('docs')),
        'scripts/install.mjs',
        'scripts/build-cuda.mjs',
        'scripts/node-headers.mjs',
        'scripts/nvcc.mjs',
        'binding.gyp',
        'CMakeLists.txt',
        'package.json',
        'README.md',
        'LICENSE',
        'CHANGELOG.md',
      ].sort(),
    );
    expect(native.length).toBeGreaterThan(50);
    expect(files).toContain('docs/api.md');
    expect(files).toContain('docs/errors.md');
  });

  it('holds every source that binding.gyp compiles', async () => {
    const sources: Record<string, string[]> = JSON.parse(
      await readFile(path.join(unpacked, 'native', 'sources.json'), 'utf8'),
    );
    for (const list of ['engine', 'perIsa', 'addon']) expect(files).toEqual(expect.arrayContaining(sources[list]!));
  });

  it('is small', async () => {
    for (const name of files) expect((await stat(path.join(unpacked, name))).size, name).toBeLessThan(500_000);
    // 170 kB of it are the merges of GPT-2, 40 kB the text of `burgeon init`.
    expect((await stat(tarball)).size).toBeLessThan(1_300_000);
  });
});

/** A program in TypeScript that uses much of the interface, some of it wrongly on purpose. */
const consumer = `
import {
  type BackwardOptions, BurgeonError, type BurgeonErrorCode, createTokenizer, errorCodes, flops, type GenerateOptions,
  loadTokenizer, loadTrainConfig, measurePeak, Model, type ModelConfig, modelPresetNames, parseModelConfig,
  parseTrainConfig, planSchedule, prepare, type Rates, readManifest, type RunSummary, Schedule, type StageConfig,
  type StepRecord, sampleSubnetwork, type Subnetwork, type TensorData, type Tokenizer, type TrainConfig, Trainer,
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

describe('the installed package', () => {
  let project: string;

  beforeAll(async () => {
    project = path.join(directory, 'project');
    await mkdir(project);
    await writeFile(path.join(project, 'package.json'), '{"name": "project", "private": true, "type": "module"}');
    await cp(path.join(packageRoot, 'examples'), path.join(project, 'examples'), { recursive: true });
    await run(project, 'npm', 'install', tarball, '--no-audit', '--no-fund', '--prefer-offline').catch((error) => {
      throw new Error(
        `npm could not install the packed package. This test needs the registry that npm is configured for (or a filled cache), and scripts/install.mjs must build the addon.\n${error.message}`,
      );
    });
  }, 5 * minutes);

  it(
    'type-checks in a strict project, libraries included',
    async () => {
      await writeFile(path.join(project, 'consumer.ts'), consumer);
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
      const config = { compilerOptions, include: ['consumer.ts', 'examples'] };
      await writeFile(path.join(project, 'tsconfig.json'), JSON.stringify(config));
      await run(
        project,
        process.execPath,
        path.join(packageRoot, 'node_modules', 'typescript', 'bin', 'tsc'),
        '-p',
        '.',
      );
    },
    2 * minutes,
  );

  it('has the command', async () => {
    expect(await run(project, 'npx', 'burgeon', '--version')).toBe(`${packageVersion}\n`);
    expect(await run(project, 'npx', 'burgeon', 'doctor', '--help')).toContain('burgeon doctor');
  });

  it('runs the example of embedding', async () => {
    const output = await run(project, process.execPath, 'examples/embed.mjs', 'model');
    expect(output).toContain('% of the block FLOPs were never executed');
    expect(output).toContain('saved to model; loaded, it has the same loss');
    expect(await readdir(path.join(project, 'model'))).toContain('model.safetensors');
  });

  it('runs the example of worker threads', async () => {
    expect(await run(project, process.execPath, 'examples/worker.mjs')).toMatch(
      /^seed 1: loss 0\.\d+\nseed 2: loss 0\.\d+\n$/,
    );
  });

  it('runs the example of a trainer, which goes on where it stopped', async () => {
    const output = await run(project, process.execPath, 'examples/trainer.mjs', 'run');
    expect(output).toContain('step 60, stage 3');
    expect(output).toContain('% of the block FLOPs saved');
    const again = await run(project, process.execPath, 'examples/trainer.mjs', 'run');
    expect(again).not.toContain('step 10,');
    expect(again).toContain('60 steps, ');
  });

  it('offers nothing but its public names', async () => {
    const deep = "await import('burgeon/dist/model/model.js').catch((error) => console.log(error.code))";
    expect(await run(project, process.execPath, '--input-type=module', '-e', deep)).toBe(
      'ERR_PACKAGE_PATH_NOT_EXPORTED\n',
    );
  });
});
