// A run whose part of the model is what was trained, from the command line: evaluated, sampled and exported as that part;
// and all schedules planned side by side.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createWorkspace, type Workspace } from './workspace.ts';

let workspace: Workspace;
let trained: { validationLoss: number };

beforeAll(async () => {
  workspace = await createWorkspace({
    est: { schedule: [{ layers: 0.5, neurons: 0.5, choose: 'first' }] },
    evaluation: { every: 5, windows: 'all' },
  });
  const { stdout } = await workspace.succeed(['train', 'train.yaml', '--json']);
  trained = JSON.parse(stdout.trim().split('\n').at(-1)!).summary;
});
afterAll(() => workspace.remove());

const evaluated = async (model: string) => {
  const { stdout, stderr } = await workspace.succeed(['eval', model, '--data', 'data', '--json']);
  return { loss: JSON.parse(stdout).loss as number, stderr };
};

describe('a checkpoint of a part', () => {
  const part = 'the first 1 of 2 layers, 64 of 128 neurons';

  test('is evaluated and sampled as that part, which is said', async () => {
    const { loss, stderr } = await evaluated('run');
    expect(loss).toBeCloseTo(trained.validationLoss, 6);
    expect(stderr).toContain(`note: using ${part}: the others have not been trained yet`);
    const sampled = await workspace.succeed(['sample', 'run', '--tokens', '5']);
    expect(sampled.stderr).toContain(`note: using ${part}`);
  });

  test('is exported as the smaller model, or with --full as all of it', async () => {
    const { stdout } = await workspace.succeed(['export', 'run', '-o', 'small']);
    expect(stdout).toContain(`${part}: the others have not been trained yet (--full writes all)`);
    const config = async (name: string) => JSON.parse(await readFile(workspace.path(name, 'config.json'), 'utf8'));
    expect(await config('small')).toMatchObject({ n_layer: 1, n_inner: 64 });
    const { loss, stderr } = await evaluated('small');
    expect(loss).toBeCloseTo(trained.validationLoss, 6);
    expect(stderr).not.toContain('note:');
    await workspace.succeed(['export', 'run', '-o', 'full', '--full']);
    expect(await config('full')).toMatchObject({ n_layer: 2 });
    expect((await evaluated('full')).loss).not.toBeCloseTo(trained.validationLoss, 5);
  });

  test('is not made smaller still by chance: untrained units are kept only on demand', async () => {
    const { code, stderr } = await workspace.burgeon(['export', 'run', '-o', 'kept', '--keep-neurons', '0.5']);
    expect(code).toBe(1);
    expect(stderr).toContain(`but the run has trained only ${part}; leave the option out to write these`);
    const { stdout } = await workspace.succeed(['export', 'run', '-o', 'kept', '--keep-neurons', '0.5', '--full']);
    expect(stdout).toContain('kept 2 of 2 layers');
  });

  test('starts another run with a note', async () => {
    const { stderr } = await workspace.succeed([
      ...['train', 'train.yaml', '--quiet', '--init-from', 'run'],
      ...['--set', 'output=next', '--set', 'est.schedule=dense'],
    ]);
    expect(stderr).toContain(`only ${part} have been trained there; the others have initial weights`);
  });

  test('whose heads cannot be a model of transformers says what can be done', async () => {
    const schedule = 'est.schedule=[{heads: 0.5, choose: first}]';
    await workspace.succeed(['train', 'train.yaml', '--quiet', '--set', schedule, '--set', 'output=heads']);
    const { code, stderr } = await workspace.burgeon(['export', 'heads', '-o', 'none']);
    expect(code).toBe(1);
    expect(stderr).toContain('The run has trained the first 1 of 2 heads; --full writes the full model');
  });
});

describe('SIGKILL around a transition', () => {
  const schedule =
    'est.schedule=[{endStep: 8, layers: 0.5, choose: first}, {transition: {layers: stack, warmupSteps: 3}}]';
  const every = ['--set', 'checkpoint={every: 1, keepLast: 1}', '--set', 'evaluation={every: 0, windows: 4}'];
  const train = (run: string, ...more: string[]) => [
    ...['train', 'train.yaml', '--json', '--set', schedule, ...every, '--set', `output=${run}`],
    ...more,
  ];
  const bytes = async (run: string) => {
    const files = ['model.safetensors', 'optimizer.safetensors'];
    const contents = files.map((name) => readFile(workspace.path(run, 'checkpoint-00000015', name)));
    return createHash('sha256')
      .update(Buffer.concat(await Promise.all(contents)))
      .digest('hex');
  };

  // After step 8 the next one begins with the transition; a kill may come before, during or after its checkpoint.
  test('leaves nothing behind but the same bytes', async () => {
    await workspace.succeed(train('undisturbed'));
    const expected = await bytes('undisturbed');
    for (const step of [7, 8, 9]) {
      const run = `killed-${step}`;
      const killed = await workspace.burgeon(train(run), { signals: [{ name: 'SIGKILL', after: `{"step":${step},` }] });
      expect(killed).toMatchObject({ code: null, signal: 'SIGKILL' });
      await workspace.succeed(train(run, '--resume'));
      expect(await bytes(run), `killed after step ${step}`).toBe(expected);
    }
  });
});

describe('plan --compare', () => {
  test('has every schedule, with what it costs, and says what does not fit', async () => {
    const { stdout } = await workspace.succeed(['plan', 'train.yaml', '--compare', '--json']);
    const { presets, left } = JSON.parse(stdout);
    expect(presets.map(({ schedule }: { schedule: string }) => schedule)).toEqual([
      ...[
        'dense',
        'est-gpt2',
        'est-tinyllama',
        'stack',
        'stack-4',
        'stack-late',
        'stack-8',
        'one-layer',
        'midas',
        'layer-dropout',
      ],
    ]);
    expect(left).toEqual([{ schedule: 'raptr', reason: expect.stringContaining('keepFirst + keepLast') }]);
    for (const { seconds, blockRatio, activations } of presets) {
      expect(seconds).toBeGreaterThan(0);
      expect(blockRatio).toBeGreaterThan(0.5);
      expect(activations).toBeGreaterThan(0);
    }
  });

  test('as a table, without measuring', async () => {
    const { stdout } = await workspace.succeed(['plan', '--model', 'gpt2', '--compare', '--no-measure']);
    expect(stdout).toMatch(/^ +stack-4 +70\.0 % +78\.7 % +772 PFLOP +not measured +1\.46 GiB +4\.84 GiB$/m);
    expect(stdout).toContain('stack-4: a quarter of the layers, doubled twice by stacked copies');
    const { stderr } = await workspace.burgeon(['plan', 'train.yaml', '--no-measure']);
    expect(stderr).toContain('--no-measure goes with --compare');
  });
});
