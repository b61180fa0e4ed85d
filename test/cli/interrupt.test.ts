// A real process, killed or asked to stop at many points and started again with --auto-resume, leaves the same bytes behind as
// one that was left alone. Signals are sent from within the process, so that they come at the same point every time; only
// the kills at odd moments come from outside, and there whatever they hit must be survived.

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readRun } from '../../lib/report/read-run.ts';
import { readMetrics } from '../../lib/train/metrics.ts';
import { type CommandResult, main, type SignalAfter } from '../helpers/cli.ts';
import { createWorkspace, type Workspace } from './workspace.ts';

const steps = 40;
const train = ['train', 'train.yaml', '--json'];
const lastCheckpoint = 'checkpoint-00000040';

let workspace: Workspace;
let undisturbed: Record<string, string>;
beforeAll(async () => {
  workspace = await createWorkspace({
    steps,
    accumulationSteps: 2,
    checkpoint: { every: 10 },
    evaluation: { every: 10, windows: 8 },
    optimizer: { learningRate: 3e-3, inactive: 'freeze' },
  });
  await workspace.succeed([...train, ...output('undisturbed')]);
  undisturbed = await finalBytes('undisturbed');
});
afterAll(() => workspace.remove());

const output = (name: string) => ['--set', `output=${name}`];

/** Hashes of the weights and the moments at the end of a run. */
async function finalBytes(run: string): Promise<Record<string, string>> {
  const hash = async (name: string) =>
    createHash('sha256')
      .update(await readFile(workspace.path(run, lastCheckpoint, name)))
      .digest('hex');
  return { model: await hash('model.safetensors'), optimizer: await hash('optimizer.safetensors') };
}

/** Of a line: what depends on the clock, the directory or the memory of the process. */
const incidental = [
  'time',
  'ms',
  'denseMs',
  'denseStepMs',
  'timeSaving',
  'tokensPerSecond',
  'mfu',
  'trainSeconds',
  'trainMs',
  'rssBytes',
  'directory',
];

/** Metrics without what is incidental, beginnings of processes, and what is written at interruptions. */
async function comparableMetrics(run: string) {
  const lines = await readMetrics(workspace.path(run, 'metrics.jsonl'));
  return lines
    .filter((line) => {
      if (line.kind === 'end') return line.state === 'complete';
      return line.kind !== 'start' && (!['checkpoint', 'totals'].includes(line.kind) || line.step % 10 === 0);
    })
    .map((line) => JSON.parse(JSON.stringify(line, (key, value) => (incidental.includes(key) ? undefined : value))));
}

async function resume(run: string): Promise<CommandResult> {
  return workspace.succeed([...train, '--auto-resume', ...output(run)]);
}

async function expectUndisturbed(run: string): Promise<void> {
  expect(await finalBytes(run)).toEqual(undisturbed);
  expect(await comparableMetrics(run)).toEqual(await comparableMetrics('undisturbed'));
}

describe('SIGKILL', () => {
  test.each([
    ['before the first checkpoint', 6, 1],
    ['right after a checkpoint', 10, 11],
    ['between two, in the second stage', 17, 11],
    ['in the last stage', 38, 31],
  ])('%s: the run goes on from the newest checkpoint', async (_, step, firstRepeated) => {
    const run = `killed-${step}`;
    const killed = await workspace.burgeon([...train, ...output(run)], {
      signals: [{ name: 'SIGKILL', after: `{"step":${step},` }],
    });
    expect(killed).toMatchObject({ code: null, signal: 'SIGKILL', stderr: '' });
    // What a kill leaves behind does not keep the next process out.
    expect(await readdir(workspace.path(run))).toContain('.burgeon.lock');
    const { stdout } = await resume(run);
    expect(stdout).toMatch(new RegExp(`^{"step":${firstRepeated},`));
    await expectUndisturbed(run);
  });

  test('at odd moments, many times over, with a checkpoint at every step', async () => {
    const run = 'killed-often';
    const everyStep = ['--set', 'checkpoint={every: 1, keepLast: 1}', '--set', 'evaluation={every: 1, windows: 8}'];
    for (const killAfterMs of [0, 3, 7, 12, 18, 25, 33, 42]) {
      const { code, stderr } = await workspace.burgeon([...train, '--auto-resume', ...everyStep, ...output(run)], {
        killAfterMs,
      });
      // Killed, or finished before; not failed.
      expect(code ?? 0, stderr).toBe(0);
    }
    await resume(run);
    expect(await finalBytes(run)).toEqual(undisturbed);
    const names = await readdir(workspace.path(run));
    expect(names.filter((name) => !/^(checkpoint-\d{8}|metrics\.jsonl|report\.html)$/.test(name))).toEqual([]);
  });
});

test('SIGKILL after a change: what was changed stays', async () => {
  const rate = ['--set', 'optimizer.learningRate=1e-3', '--set', 'checkpoint.every=0'];
  /** Goes on from step 20 at another rate. */
  const changed = async (run: string, signals: SignalAfter[]) => {
    const stop = [{ name: 'SIGKILL' as const, after: '{"step":20,' }];
    await workspace.burgeon([...train, ...output(run), '--set', 'checkpoint.every=5'], { signals: stop });
    return workspace.burgeon([...train, '--resume', ...rate, ...output(run)], { signals });
  };
  expect(await changed('changed', [])).toMatchObject({ code: 0 });
  const expected = await finalBytes('changed');
  expect(expected).not.toEqual(undisturbed);
  for (const after of ['note: optimizer.learningRate changed', '{"step":22,']) {
    const run = `changed-${after.length}`;
    expect(await changed(run, [{ name: 'SIGKILL', after }])).toMatchObject({ signal: 'SIGKILL' });
    const { stdout } = await resume(run);
    expect(stdout).toMatch(/^{"step":(16|21),/);
    expect(await finalBytes(run)).toEqual(expected);
  }
});

describe.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGQUIT', 131],
] as const)('%s', (name, exitCode) => {
  test('stops after the current step with a checkpoint, says how to go on, and the run does', async () => {
    const run = `asked-${name}`;
    const { code, stdout, stderr } = await workspace.burgeon(['train', 'train.yaml', ...output(run)], {
      signals: [{ name, after: 'step 20: held-out loss' }],
    });
    expect(code).toBe(exitCode);
    expect(stderr).toContain('stopping, with a checkpoint; once more to stop at once\n');
    const stoppedAt = Number(/^stopped after step (\d+) of 40/.exec(stdout)?.[1]);
    expect(stdout).toContain(`stopped after step ${stoppedAt} of 40, checkpoint in ${run}; continue with --resume\n`);
    expect(stdout).toMatch(
      /held-out loss +\S+ at the start, \S+ at the last evaluation \(nats per token; \S+ bits per byte at the last evaluation\)/,
    );
    // The signal is seen while the next step runs, at the latest.
    expect([20, 21]).toContain(stoppedAt);
    const names = await readdir(workspace.path(run));
    expect(names).toContain(`checkpoint-000000${stoppedAt}`);
    expect(names).not.toContain('.burgeon.lock');

    const resumed = await workspace.succeed(['train', 'train.yaml', '--resume', ...output(run)]);
    expect(resumed.stderr).toContain(`\nresumed after step ${stoppedAt}\n`);
    expect(resumed.stderr).not.toContain('at the start');
    await expectUndisturbed(run);
  });

  test('twice stops at once, and the run can still go on', async () => {
    const run = `twice-${name}`;
    const { code, signal, stdout } = await workspace.burgeon(['train', 'train.yaml', ...output(run)], {
      signals: [
        { name, after: 'step 20: held-out loss' },
        { name, after: 'once more to stop at once' },
      ],
    });
    // By the signal itself, which waits for nothing.
    expect({ code, signal, stdout }).toEqual({ code: null, signal: name, stdout: '' });
    await resume(run);
    await expectUndisturbed(run);
  });
});

test.each([
  ['SIGUSR1', 138],
  ['SIGUSR2', 140],
  ['SIGXCPU', 152],
] as const)('%s, of which there may be many, stops with a checkpoint', async (name, exitCode) => {
  const run = `warned-${name}`;
  const { code } = await workspace.burgeon(['train', 'train.yaml', ...output(run)], {
    signals: [
      { name, after: 'step 20: held-out loss' },
      { name, after: 'stopping, with a checkpoint' },
      { name: 'SIGTERM', after: 'stopping, with a checkpoint' },
    ],
  });
  expect(code).toBe(exitCode);
  expect(await readdir(workspace.path(run))).not.toContain('.burgeon.lock');
  await resume(run);
  await expectUndisturbed(run);
});

test('a limit of the size of files costs no more than a full disk', async () => {
  // 1 KiB blocks: less than the metrics and a checkpoint need.
  const command = `ulimit -f 8; '${process.execPath}' '${main}' train train.yaml ${output('limited').join(' ')}`;
  const { status, stderr } = spawnSync('bash', ['-c', command], { cwd: workspace.path(), encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toMatch(/EFBIG/);
  await resume('limited');
  await expectUndisturbed('limited');
});

/** A terminal of its own for `args`, closed once the output holds the text; prints the signal that ended them. */
const closedTerminal = `
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0: os.execvp(sys.argv[2], sys.argv[2:])
seen = b''
while sys.argv[1].encode() not in seen: seen += os.read(terminal, 4096)
os.close(terminal)
time.sleep(0.01)
os.kill(pid, 1)  # as the shell does
print(os.WTERMSIG(os.waitpid(pid, 0)[1]))
`;

test.skipIf(!existsSync('/dev/ptmx'))('a terminal that is closed stops the run with a checkpoint', async () => {
  // So long that it is still running when the terminal goes.
  const endless = ['--set', 'steps=1000000', '--set', 'checkpoint.every=0'];
  const command = [process.execPath, main, 'train', 'train.yaml', ...endless, ...output('closed')];
  const options = { cwd: workspace.path(), encoding: 'utf8' } as const;
  expect(execFileSync('python3', ['-c', closedTerminal, 'step 20: held-out loss', ...command], options)).toBe('1\n');
  const names = await readdir(workspace.path('closed'));
  expect(names.filter((name) => name.startsWith('checkpoint-'))).toHaveLength(1);
  expect(names).not.toContain('.burgeon.lock');
  const { end } = await readRun(workspace.path('closed'));
  expect(end).toMatchObject({ state: 'stopped' });
});

test('without a terminal, as under nohup, SIGHUP means nothing', async () => {
  const { code } = await workspace.burgeon(['train', 'train.yaml', ...output('nohup')], {
    signals: [{ name: 'SIGHUP', after: 'step 20: held-out loss' }],
  });
  expect(code).toBe(0);
  await expectUndisturbed('nohup');
});

test.skipIf(!existsSync('/dev/full')).each([
  ['standard output', '> /dev/full', 1],
  ['standard error', '2> /dev/full', 0],
])('%s on a full disk is lost, the run is not', async (name, redirection, exitCode) => {
  const run = `full-${exitCode}`;
  const command = `'${process.execPath}' '${main}' train train.yaml ${output(run).join(' ')} ${redirection}`;
  const { status, stderr } = spawnSync('sh', ['-c', command], { cwd: workspace.path(), encoding: 'utf8' });
  expect(status).toBe(exitCode);
  if (exitCode === 1) {
    expect(stderr.match(/cannot be written/g)).toHaveLength(1);
    expect(stderr).toContain(
      `burgeon: ${name} cannot be written (ENOSPC: no space left on device, write); going on without it`,
    );
  }
  await expectUndisturbed(run);
});

test('a signal after the last step costs the bigram baseline only', async () => {
  const run = 'late';
  const { code, stdout } = await workspace.burgeon(['train', 'train.yaml', ...output(run)], {
    signals: [{ name: 'SIGINT', after: 'step 40: held-out loss' }],
  });
  expect(code).toBe(130);
  expect(stdout).toMatch(/^trained 40 steps/);
  expect(stdout).not.toContain('bigram');
  expect(await finalBytes(run)).toEqual(undisturbed);
  expect((await readMetrics(workspace.path(run, 'metrics.jsonl'))).at(-1)).toMatchObject({ state: 'complete' });
  expect((await workspace.succeed(['train', 'train.yaml', '--resume', ...output(run)])).stdout).toContain('bigram');
});

test('a reader that goes away stops the run in an orderly way', async () => {
  const run = 'unread';
  const endless = [...train, '--set', 'steps=1000000', '--set', 'checkpoint.every=0', ...output(run)];
  const { code, signal, stderr } = await workspace.burgeon(endless, { closesStdout: true });
  expect({ code, signal, stderr }).toEqual({ code: 130, signal: null, stderr: '' });
  expect(await readdir(workspace.path(run))).toContainEqual(expect.stringMatching(/^checkpoint-/));
});
