// burgeon train from end to end: what people, logs and programs get to see, and what is refused.

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readMetrics } from '../../lib/train/metrics.ts';
import { jsonLines } from '../helpers/cli.ts';
import { createWorkspace, useWorkspace, type Workspace } from './workspace.ts';

describe('output', () => {
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await createWorkspace({ sample: { every: 10, prompt: 'the ', length: 10 } });
  });
  afterAll(() => workspace.remove());

  test('that is no terminal gets plain lines: progress on standard error, the summary on standard output', async () => {
    const { stdout, stderr } = await workspace.succeed(['train', 'train.yaml', '--set', 'log.peakFlops=measured']);
    for (const control of ['\x1b', '\r']) expect(stdout + stderr).not.toContain(control);
    expect(stderr).toMatch(
      // The machine may be busy, which is said.
      /^(note: other processes took .*\n)?training 26\.\d k parameters for 15 steps on cpu \(.*, 1 thread, peak .*FLOP\/s\) in run\n/,
    );
    expect(stderr).toMatch(/^held-out loss at the start: \d\.\d{4} nats per token$/m);
    expect(stderr).toMatch(
      /^step 1\/15 {2}loss \d\.\d{3} {2}[\d.]+ k? ?tok\/s .* {2}stage 1 \(1 layer, 1 head, 64 neurons\)$/m,
    );
    for (const step of [5, 10, 15]) {
      expect(stderr).toMatch(
        new RegExp(
          `^step ${step}: held-out loss \\d\\.\\d{4} nats per token \\(\\d\\.\\d{4} bits per byte\\), training loss \\d`,
          'm',
        ),
      );
    }
    expect(stderr).toMatch(/^step 10: sample\nthe [a-z .\n]{10}\n/m);

    const lines = stdout.split('\n');
    expect(lines[0]).toBe('trained 15 steps, 960 tokens, in run');
    expect(lines[1]).toMatch(
      /^ {2}held-out loss +\S+ at the start, \S+ now, bigram baseline \S+ \(nats per token; \S+ bits per byte now\)$/,
    );
    expect(lines[2]).toMatch(/^ {2}stage 1 +2 steps, .* ms per step, 25\.0 % of the dense block FLOPs$/);
    expect(lines[3]).toMatch(/^ {2}stage 2 +5 steps, .*50\.0 %/);
    expect(lines[4]).toMatch(/^ {2}stage 3 +8 steps, .*100\.0 %/);
    expect(lines[5]).toMatch(/^ {2}block FLOPs +.*FLOP executed, dense .*FLOP: 26\.7 % saved$/);
    expect(lines[6]).toMatch(/^ {2}all FLOPs +.*: 2\d\.\d % saved$/);
    expect(lines[7]).toMatch(
      /^ {2}training time +.*at the dense rate of this run \(\d+\.\d ms\) would take .*: [\d.]+ % (saved|lost)$/,
    );
    expect(lines[8]).toMatch(/^ {2}report +run.report\.html$/);
    expect(lines.slice(9)).toEqual(['']);
    expect(await readFile(workspace.path('run', 'report.html'), 'utf8')).toContain('"name":"run"');
  });

  test('with --quiet is the summary only', async () => {
    const { stdout, stderr } = await workspace.succeed(['train', 'train.yaml', '--quiet', '--set', 'output=quiet']);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^trained 15 steps, .* in quiet\n/);
  });

  test('with --json is one record per step and the summary, and nothing else', async () => {
    const { stdout, stderr } = await workspace.succeed(['train', 'train.yaml', '--json', '--set', 'output=json']);
    expect(stderr).toBe('');
    const lines = jsonLines(stdout);
    const { summary } = lines.pop() as { summary: Record<string, unknown> };
    expect(lines.map(({ step }) => step)).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
    expect(summary).toMatchObject({
      steps: 15,
      blockSaving: expect.closeTo(4 / 15, 12),
      bigramLoss: expect.any(Number),
    });
    // The records are those of the metrics file.
    const steps = (await readMetrics(workspace.path('json', 'metrics.jsonl'))).filter(({ kind }) => kind === 'step');
    for (const [i, { kind: _, ...line }] of steps.entries()) expect(lines[i]).toMatchObject(line);
    expect(lines[9]).toMatchObject({
      validation: { loss: expect.any(Number) },
      sample: expect.stringMatching(/^the /),
    });
  });
});

test('--set changes keys, and the later of two wins', async () => {
  const { succeed } = await useWorkspace();
  const set = (...changes: string[]) => changes.flatMap((change) => ['--set', change]);
  const changes = set('steps=9', 'steps=4', 'est.schedule=[{layers: 0.5}]', 'model.nLayer=4', 'accumulationSteps=2');
  const { stdout } = await succeed(['train', 'train.yaml', '--json', ...changes]);
  const lines = jsonLines(stdout);
  expect(lines).toHaveLength(5);
  expect(lines[3]).toMatchObject({ stage: 1, active: { layers: 2, heads: 2, neurons: 128 }, tokens: 4 * 2 * 64 });
});

test('a configuration without validation data says so', async () => {
  const { succeed } = await useWorkspace();
  await succeed(['prepare', 'text.txt', '-o', 'all', '-t', 'chars', '--val-fraction', '0']);
  const { stdout } = await succeed([
    'train',
    'train.yaml',
    '--quiet',
    '--set',
    'data.directory=all',
    '--set',
    'steps=2',
  ]);
  expect(stdout).toContain('held-out loss  not measured at the start, not measured now (nats per token)');
});

test('new, --resume, --auto-resume and --overwrite', async () => {
  const { burgeon, succeed, path } = await useWorkspace();
  const nothing = await burgeon(['train', 'train.yaml', '--resume', '--set', 'steps=5']);
  expect(nothing).toMatchObject({ code: 1, stdout: '' });
  expect(nothing.stderr).toBe(
    'burgeon: output run: expected an intact checkpoint to resume, found none; start without --resume, or with --auto-resume, which resumes where there is something to resume\n',
  );
  await succeed(['train', 'train.yaml', '--auto-resume', '--set', 'steps=5']);
  const refused = await burgeon(['train', 'train.yaml', '--set', 'steps=5']);
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toBe(
    'burgeon: output run: expected no run there, found a checkpoint at step 5; continue it with --resume, replace it with --overwrite, or choose another output\n',
  );
  const other = await burgeon(['train', 'train.yaml', '--resume', '--set', 'seed=2']);
  expect(other.code).toBe(1);
  expect(other.stderr).toMatch(
    /with another configuration:\n {2}seed: the run has 1, .* 2\n {2}steps: the run has 5, .* 15\n/,
  );
  const complete = await succeed(['train', 'train.yaml', '--auto-resume', '--set', 'steps=5']);
  expect(complete.stderr).toContain('resumed after step 5');
  expect(complete.stdout).toContain('trained 5 steps');
  // What is refused after the directory was entered leaves the run that is there.
  const checkpoints = async () => (await readdir(path('run'))).filter((name) => name.startsWith('checkpoint-'));
  const before = [await checkpoints(), await readFile(path('run', 'metrics.jsonl'), 'utf8')];
  for (const [set, env] of [
    ['threads=100000', {}],
    ['batchSize=1000000', {}],
    ['seed=2', { BURGEON_MAX_ISA: 'foo' }],
  ] as const) {
    expect(await burgeon(['train', 'train.yaml', '--overwrite', '--set', set], { env })).toMatchObject({ code: 1 });
    expect([await checkpoints(), await readFile(path('run', 'metrics.jsonl'), 'utf8')]).toEqual(before);
  }
  const replaced = await succeed(['train', 'train.yaml', '--overwrite']);
  expect(replaced.stdout).toContain('trained 15 steps');
});

test('--resume with --set goes on with other values, and without it keeps them', async () => {
  const { burgeon, succeed, path } = await useWorkspace();
  const resume = ['train', 'train.yaml', '--resume'];
  await succeed(['train', 'train.yaml']);
  const moved = await burgeon([...resume, '--set', 'steps=20']);
  expect(moved).toMatchObject({ code: 1, stdout: '' });
  const way = /such as --set '(est\.schedule=.*)'\n$/.exec(moved.stderr);
  expect(way).not.toBeNull();
  const { stdout, stderr } = await succeed([...resume, '--set', 'steps=20', '--set', way![1]!]);
  expect(stderr).toMatch(
    /^note: steps changed from 15 to 20 after step 15\nnote: est\.schedule changed from "est-gpt2" to \[.*\] after step 15\ntraining .* for 20 steps on .*\nresumed after step 15\nstep 16\/20 /,
  );
  expect(stdout).toMatch(/^trained 20 steps, /);
  expect(await readFile(path('run', 'report.html'), 'utf8')).toContain('"kind":"change"');

  // A word of every change on standard error, whatever is not wanted there.
  const rate = [...resume, '--set', 'steps=22', '--set', 'optimizer.learningRate=1e-3'];
  const longer = await succeed([...rate, '--json']);
  expect(longer.stderr.match(/^note: .* changed from/gm)).toHaveLength(3);
  expect(jsonLines(longer.stdout)[0]).toMatchObject({ step: 21, tokens: 21 * 64 });
  expect(jsonLines(longer.stdout)[0]!.learningRate).toBeLessThan(2e-4); // the lowest was 3e-4

  const same = await succeed(resume);
  expect(same.stderr).toContain('note: steps stays 22, as changed after step 20; the configuration has 15\n');
  expect(same.stderr).toContain('for 22 steps');
  expect(same.stdout).toMatch(/^trained 22 steps/);

  const typing = await burgeon([...resume, '--set', 'step=30']);
  expect(typing.stderr).toContain('step: unknown key; did you mean steps?');
  const fixed = await burgeon([...resume, '--set', 'steps=30', '--set', 'batchSize=8']);
  expect(fixed.stderr).toMatch(
    /\n {2}batchSize: the run has 4, the configuration 8\n.*\nonly steps, est\.schedule, .* can change/,
  );
  const edited = await readFile(path('train.yaml'), 'utf8');
  await writeFile(path('train.yaml'), edited.replace('steps: 15', 'steps: 30'));
  const refused = await burgeon(resume);
  expect(refused.stderr).toMatch(
    /\n {2}steps: the run has 22, the configuration 30\n.*\nto go on .*: --resume --set steps=30\n$/,
  );
});

test('--init-from starts from the weights of another run, whose model it takes', async () => {
  const { burgeon, succeed, path } = await useWorkspace();
  const first = await succeed(['train', 'train.yaml', '--json']);
  const { summary: before } = jsonLines(first.stdout).at(-1) as { summary: { validationLoss: number } };
  const settings = { data: { directory: 'data' }, output: 'my "next" run', steps: 2, batchSize: 4 };
  await writeFile(path('next.yaml'), JSON.stringify({ ...settings, evaluation: { windows: 8 } }));
  const next = await succeed(['train', 'next.yaml', '--init-from', 'run']);
  expect(next.stderr).toMatch(/^starting from the weights of run\nheld-out loss at the start: /m);
  // Once it has a checkpoint, it needs to be told neither of the model nor where it came from.
  const resumed = await succeed(['train', 'next.yaml', '--resume']);
  expect(resumed.stderr).toMatch(/^resumed after step 2$/m);
  expect(next.stderr).toContain(`held-out loss at the start: ${before.validationLoss.toFixed(4)} `);
  // A run can be the model of the next; the path may hold what YAML would take amiss.
  const third = await succeed([
    'train',
    'next.yaml',
    '--init-from',
    'my "next" run',
    '--set',
    'output=third',
    '--json',
  ]);
  expect(jsonLines(third.stdout)).toHaveLength(3);
  expect((await succeed(['plan', 'next.yaml', '--set', 'initFrom=run'])).stdout).toContain('parameters');
  const without = await burgeon(['train', 'next.yaml']);
  expect(without).toMatchObject({ code: 1, stderr: expect.stringContaining('model: expected a preset') });
  const other = await burgeon([
    'train',
    'train.yaml',
    '--init-from',
    'third',
    '--set',
    'model.nLayer=4',
    '--overwrite',
  ]);
  expect(other.stderr).toContain('\n  model.nLayer: the configuration has 4, the model 2\n');
});

test('refuses with one message per problem', async () => {
  const { burgeon, path } = await useWorkspace();
  await writeFile(path('bad.yaml'), 'steps: [\n');
  await writeFile(path('file'), '');
  const cases: [string[], string | RegExp][] = [
    [['train.yaml', '--set', 'batchsize=3'], 'batchsize: unknown key; did you mean batchSize?'],
    [
      ['train.yaml', '--set', 'lr=1', '--set', 'steps=0'],
      /steps: expected .* received 0\n {2}lr: .*did you mean optimizer.learningRate\?/,
    ],
    [['train.yaml', '--set', 'steps'], '--set steps: expected key=value, for example'],
    [['bad.yaml'], /bad\.yaml:\d+:\d+: not valid YAML/],
    [['train.yaml', '--set', 'data.directory=none'], 'make a data set with `burgeon prepare FILE... -o none`'],
    [['train.yaml', '--set', 'sample={every: 1, prompt: ROMEO}'], 'sample.prompt: character "R" (U+0052)'],
    [['train.yaml', '--set', 'output=file'], 'output file: expected a directory that can be written'],
    [['train.yaml', '--set', 'optimizer={learningRate: 1e30}'], /step 2 \(seed 1, .*A lower learning rate/],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await burgeon(['train', ...args, '--quiet']);
    expect({ code, stdout }, args.join(' ')).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
    // A run says first what it leaves.
    expect(stderr).toMatch(/^(note: (no checkpoint of step 1, |report of the failed run: ).*\n)*burgeon: /);
    expect(stderr).not.toMatch(/^ +at /m);
  }
  // Only the last got as far as a run, and it gave the directory free again.
  expect((await readdir(path())).sort()).toEqual(['bad.yaml', 'data', 'file', 'run', 'text.txt', 'train.yaml']);
  expect((await readdir(path('run'))).sort()).toEqual(['metrics.jsonl', 'report.html']);
});

test('--profile writes a page, a table and a trace, and trains nothing', async () => {
  const { succeed, path } = await useWorkspace();
  const { stdout, stderr } = await succeed(['train', 'train.yaml', '--profile', '1']);
  expect(stderr).not.toContain('training');
  expect(stdout).toMatch(/^1 step of every stage in turn, 1 thread; /);
  expect(stdout).toMatch(/^ {2}stage 1 +[\d.]+( +-?[\d.]+ %){5}$/m);
  expect(stdout).toMatch(/^ {2}backward linear_weight_gradient +\d+ .*%$/m);
  expect((await readdir(path('run'))).sort()).toEqual(['profile-trace.json', 'profile.html', 'profile.txt']);
  expect(await readFile(path('run', 'profile.html'), 'utf8')).toContain('"series":["stage 1","stage 2","stage 3"]');
  expect(stdout).toContain(await readFile(path('run', 'profile.txt'), 'utf8').then((text) => text.trimEnd()));
  expect(JSON.parse(await readFile(path('run', 'profile-trace.json'), 'utf8')).traceEvents.length).toBeGreaterThan(50);
  const { stages } = JSON.parse((await succeed(['train', 'train.yaml', '--profile', '1', '--json'])).stdout);
  expect(stages[2].totals.phases.forward).toBeGreaterThan(0);
});
