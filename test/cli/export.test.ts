// burgeon export: formats, element types and files of a trained model, and what it refuses.

import { readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadDataset } from '../../lib/data/dataset.ts';
import { fixedWindows } from '../../lib/data/fixed-windows.ts';
import type { Subnetwork } from '../../lib/est/subnetwork.ts';
import { Model } from '../../lib/model/model.ts';
import { evaluate } from '../../lib/train/evaluator.ts';
import { createWorkspace, type Workspace } from './workspace.ts';

let workspace: Workspace;
let trainedLoss: number;
beforeAll(async () => {
  workspace = await createWorkspace();
  await workspace.succeed(['train', 'train.yaml', '--quiet']);
  trainedLoss = await lossOf('run/checkpoint-00000015');
});
afterAll(() => workspace.remove());

const exported = (...args: string[]) => workspace.succeed(['export', ...args]);

async function lossOf(model: string, subnetwork?: Subnetwork): Promise<number> {
  using loaded = await Model.load(workspace.path(model), { threads: 1 });
  const dataset = await loadDataset({ directory: workspace.path('data') });
  const { loss } = await evaluate(loaded, fixedWindows(dataset.validation!, 16, 'all'), { subnetwork });
  await dataset.close();
  return loss;
}

async function failure(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await workspace.burgeon(['export', ...args]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).not.toMatch(/^ +at /m);
  return stderr;
}

describe('a run', () => {
  test('as a directory of its own: the model, the tokenizer, and nothing of the run', async () => {
    const { stdout } = await exported('run', '-o', 'plain');
    expect(stdout).toBe('wrote plain\n');
    const files = await readdir(workspace.path('plain'));
    expect(files).toEqual(expect.arrayContaining(['config.json', 'model.safetensors', 'burgeon_tokenizer.json']));
    for (const name of ['optimizer.safetensors', 'burgeon_state.json', 'checkpoint.json']) {
      expect(files).not.toContain(name);
    }
    expect(await lossOf('plain')).toBe(trainedLoss);
    const written = (model: string) => readFile(workspace.path(model, 'model.safetensors'));
    expect((await written('plain')).equals(await written('run/checkpoint-00000015'))).toBe(true);
  });

  test.each([
    ['bf16', 'bfloat16', 2e-3],
    ['f16', 'float16', 2e-4],
  ])('in %s: half the bytes, the type in its config, nearly the same loss', async (dtype, name, tolerance) => {
    await exported('run', '-o', dtype, '--dtype', dtype);
    const bytes = async (model: string) => (await stat(workspace.path(model, 'model.safetensors'))).size;
    expect((await bytes(dtype)) / (await bytes('run/checkpoint-00000015'))).toBeLessThan(0.55);
    const config = JSON.parse(await readFile(workspace.path(dtype, 'config.json'), 'utf8'));
    expect(config).toMatchObject({ dtype: name, torch_dtype: name });
    const after = await lossOf(dtype);
    expect(after).not.toBe(trainedLoss);
    expect(Math.abs(after - trainedLoss)).toBeLessThan(tolerance);
  });

  test('in shards, and then in one file again', async () => {
    await exported('run', '-o', 'shards', '--max-shard-size', '20KB');
    const files = await readdir(workspace.path('shards'));
    expect(files).toContain('model.safetensors.index.json');
    const shards = files.filter((name) => name.startsWith('model-'));
    expect(shards.length).toBeGreaterThan(2);
    for (const name of shards) expect((await stat(workspace.path('shards', name))).size).toBeLessThan(20_000 + 4096);
    expect(await lossOf('shards')).toBe(trainedLoss);
    await exported('run', '-o', 'shards');
    expect((await readdir(workspace.path('shards'))).filter((name) => name.startsWith('model'))).toEqual([
      'model.safetensors',
    ]);
  });

  test('as the mean of its newest checkpoints, of the same part', async () => {
    const settings = ['--set', 'output=several', '--set', 'checkpoint.every=5', '--set', 'checkpoint.keepLast=3'];
    await workspace.succeed(['train', 'train.yaml', '--quiet', ...settings]);
    const { stdout, stderr } = await exported('several', '-o', 'mean', '--average', '2');
    expect(stdout).toBe('wrote mean\n');
    expect(stderr).toContain('the mean of the checkpoints of steps 10, 15');
    const embedding = async (model: string) => {
      using loaded = await Model.load(workspace.path(model), { threads: 1 });
      return loaded.parameter('wte.weight');
    };
    const [first, second] = [
      await embedding('several/checkpoint-00000010'),
      await embedding('several/checkpoint-00000015'),
    ];
    expect(await embedding('mean')).toEqual(first.map((value, i) => Math.fround((value + second[i]!) / 2)));
    expect(await failure('several', '-o', 'mean', '--average', '4')).toContain('found 3;');
    const { stderr: conflict } = await workspace.burgeon([
      'export',
      'several',
      '-o',
      'mean',
      '--average',
      '2',
      '--best',
    ]);
    expect(conflict).toContain('--average and --best exclude each other');
  });

  test('for llm.c and back', async () => {
    await exported('run', '-o', 'model.bin', '--format', 'llmc');
    expect(await lossOf('model.bin')).toBe(trainedLoss);
    await exported('model.bin', '-o', 'back');
    expect(await lossOf('back')).toBe(trainedLoss);
    await exported('run', '-o', 'model_bf16.bin', '--format', 'llmc', '--dtype', 'bf16');
    expect(await lossOf('model_bf16.bin')).toBeCloseTo(trainedLoss, 2);
  });
});

describe.concurrent('a subnetwork', () => {
  test('listed, is a smaller model with the loss of that subnetwork', async () => {
    const { stdout } = await exported('run', '-o', 'listed', '--keep-layers', '1', '--keep-neurons', '0-62,127');
    expect(stdout).toBe(
      'kept 1 of 2 layers (1), 2 of 2 heads and 64 of 128 neurons per layer: 9.79 k of 26.7 k parameters\nwrote listed\n',
    );
    const neurons = [Int32Array.from({ length: 64 }, (_, i) => (i < 63 ? i : 127))];
    const expected = await lossOf('run/checkpoint-00000015', { layers: Int32Array.of(1), neurons });
    const config = JSON.parse(await readFile(workspace.path('listed', 'config.json'), 'utf8'));
    expect(config).toMatchObject({ n_layer: 1, n_head: 2, n_inner: 64 });
    expect(await lossOf('listed')).toBeCloseTo(expected, 5);
    expect(Math.abs(trainedLoss - expected)).toBeGreaterThan(1e-4);
  });

  test('by share, with and without data, is scaled or not, in any format that can hold it', async () => {
    const { stdout } = await exported('run', '-o', 'spread', '--keep-layers', '0.5', '--dtype', 'bf16');
    expect(stdout).toMatch(/^kept 1 of 2 layers \(0\), 2 of 2 heads and 128 of 128 neurons/);
    await exported('run', '-o', 'layer.bin', '--format', 'llmc', '--keep-layers', '0');
    expect(await lossOf('spread')).toBeCloseTo(await lossOf('layer.bin'), 2);
    const share = ['--keep-neurons', '0.5', '--calibrate', 'data', '--calibration-windows', '9'];
    await exported('run', '-o', 'scaled', ...share);
    await exported('run', '-o', 'unscaled', ...share, '--no-rescale');
    const [scaled, unscaled] = [await lossOf('scaled'), await lossOf('unscaled')];
    expect(scaled).not.toBe(unscaled);
    expect(Math.abs(scaled - trainedLoss)).toBeLessThan(0.2);
    // The same data by its files, and again: the same model.
    await exported('run', '-o', 'files', ...share.with(3, 'data/*_train_*.bin'));
    expect(await lossOf('files')).toBe(scaled);
  });

  test.each([
    ['--keep-heads 0', 'transformers takes n_embd / n_head for the width of a GPT-2 head'],
    ['--keep-heads 0.5 --calibrate none', 'heads: expected all 2, received 1'],
    ['--keep-layers 2', 'layers to keep: expected ascending numbers from 0 to 1, received 2'],
    ['--keep-neurons 0.5 --format llmc', 'with 4 x 32 MLP neurons; this one has 64'],
    ['--keep-neurons 0.5 --calibrate none', 'none: no such file'],
    ['--keep-layers 3-1', 'Expected a list such as 0-3,5 or a share such as 0.5, above 0 and at most 1.0.'],
    ['--keep-layers 0 --calibrate data', '--calibrate: nothing to choose'],
    ['--calibration-windows 3', '--calibration-windows takes data to use: --calibrate'],
    ['--keep-layers 0 --no-rescale', '--no-rescale: nothing would be scaled'],
  ])('%s is refused', async (line, message) => {
    expect(await failure('run', '-o', 'refused', ...line.split(' '))).toContain(message);
    await expect(stat(workspace.path('refused'))).rejects.toThrow('ENOENT');
  });
});

describe.concurrent('refuses', () => {
  test('to overwrite what it reads, also under another name', async () => {
    await exported('run', '-o', 'source');
    await symlink('source', workspace.path('link'));
    for (const [from, to] of [
      ['source', './x/../source/'],
      ['source', 'link'],
      ['link', 'source'],
    ]) {
      const message = await failure(from!, '-o', to!, '--dtype', 'bf16');
      expect(message).toContain(`${to}: expected another path than the model's own; give another --output`);
    }
    expect(await lossOf('source')).toBe(trainedLoss);
  });

  test('to replace what is no model', async () => {
    await writeFile(workspace.path('notes.txt'), 'mine');
    expect(await failure('run', '-o', 'notes.txt')).toContain('expected a directory, found a file');
    expect(await failure('run', '-o', 'notes.txt', '--format', 'llmc')).toContain(
      'notes.txt: expected no such file, found one; remove it or name another',
    );
    expect(await failure('run', '-o', 'data')).toContain('nothing was written');
    expect(await failure('run', '-o', 'run/checkpoint-00000015')).toMatch(/expected another path|found also/);
    expect(await readFile(workspace.path('notes.txt'), 'utf8')).toBe('mine');
  });

  test.each([
    ['none -o x', 'none: expected a model directory (with config.json) or a run directory with checkpoints'],
    ['run', "required option '-o, --output <path>' not specified"],
    ['run -o x --format gguf', "'gguf' is invalid. Allowed choices are huggingface, llmc"],
    ['run -o x --dtype f64', "'f64' is invalid. Allowed choices are f32, bf16, f16"],
    ['run -o x --format llmc --dtype f16', '--dtype f16: the llm.c format has f32 and bf16 only'],
    ['run -o x --format llmc --max-shard-size 1GB', '--max-shard-size: an llm.c model is one file'],
    ['run -o x --max-shard-size lots', 'Expected a size such as 5GB, 500MB or 100MiB.'],
    ['train.yaml -o x', 'train.yaml: expected a model directory or a model_*.bin of llm.c'],
  ])('%s', async (line, message) => {
    expect(await failure(...line.split(' '))).toContain(message);
    await expect(stat(workspace.path('x'))).rejects.toThrow('ENOENT');
  });
});
