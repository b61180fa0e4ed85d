// What a disk refuses that is full, broken or read-only, at the calls where it was told worst: the result is there or is said not to be, in
// one message; the process ends; and the same command does it all once the disk works. npm run test:places tries all other calls.

import { execFile } from 'node:child_process';
import { access, readdir } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { main, runNode } from '../helpers/cli.ts';
import { callsOf } from '../places/workplace.ts';
import { createWorkspace, type Workspace } from './workspace.ts';

const failer = path.join(import.meta.dirname, '..', 'places', 'fail-at.mjs');
const train = ['train', 'train.yaml', '--tensorboard', '--dashboard', '0', '--quiet'];

let workspace: Workspace;
/** The calls of an undisturbed run that change files, in order. */
let calls: string[];
beforeAll(async () => {
  workspace = await createWorkspace({ checkpoint: { every: 5, keepLast: 1 } });
  const log = workspace.path('calls.log');
  expect(await refused(undefined, [...train, '--set', 'output=old'], { CALLS_LOG: log })).toMatchObject({ code: 0 });
  calls = await callsOf(log);
});
afterAll(() => workspace.remove());

/** Runs burgeon where the disk refuses something: FAIL_AT as fail-at.mjs has it. */
function refused(failAt: string | undefined, args: readonly string[], env: Record<string, string> = {}) {
  return runNode(['--import', failer, main, ...args], {
    cwd: workspace.path(),
    env: { ...env, ...(failAt === undefined ? {} : { FAIL_AT: failAt }) },
  });
}

/** The number of a call, the first or the last that is so. */
const first = (pattern: RegExp) => calls.findIndex((call) => pattern.test(call)) + 1;
const last = (pattern: RegExp) => calls.findLastIndex((call) => pattern.test(call)) + 1;

test('a lock that cannot be removed is told; the run is complete, and its live page ends with it', async () => {
  const failAt = `${last(/^link .*\.burgeon\.lock\.new-/)}:EACCES:on`;
  const { code, stdout, stderr } = await refused(failAt, [...train, '--set', 'output=locked']);
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(
    /note: the lock locked\/\.burgeon\.lock cannot be removed \(EACCES.*\); it counts until this process ends/,
  );
  expect(stdout).toContain('trained 15 steps');
  await workspace.succeed([...train, '--auto-resume', '--set', 'output=locked']);
  await expect(access(workspace.path('locked', '.burgeon.lock'))).rejects.toThrow('ENOENT');
});

test.each([
  [
    'event files',
    () => first(/^open .*events\.out/),
    'ENOSPC',
    /^burgeon: .*events\.out.* \(events for TensorBoard\): cannot be written \(ENOSPC.*; the disk is full: free some space/m,
  ],
  [
    'metrics',
    () => first(/^truncate/),
    'EROFS',
    /^burgeon: .*metrics\.jsonl \(the metrics\): cannot be written \(EROFS.*; it is on a disk that cannot be written/m,
  ],
  [
    'the lock',
    () => first(/lock\.new-/),
    'EMFILE',
    /^burgeon: output \S+: expected to make the lock .*EMFILE.*; too many files are open: raise the limit/m,
  ],
])('%s that cannot be begun end the run, with one message', async (_, at, code, message) => {
  const output = `refused-${code}`;
  const ended = await refused(`${at()}:${code}:on`, [...train, '--set', `output=${output}`]);
  expect(ended, ended.stderr).toMatchObject({ code: 1, signal: null });
  expect(ended.stderr).toMatch(message);
  expect(ended.stderr.match(/^burgeon: /gm)).toHaveLength(1);
  expect(ended.stderr).not.toMatch(/^\s+at /m);
  await workspace.succeed([...train, '--auto-resume', '--set', `output=${output}`]);
});

test('what fails first is told, not that cleaning up fails too; the run that was to be replaced is there again', async () => {
  const at = `${first(/^open .*\.tmp-checkpoint-.*config\.json/)}:EROFS:on`;
  const ended = await refused(at, [...train, '--overwrite', '--set', 'output=old', '--set', 'seed=9']);
  expect(ended, ended.stderr).toMatchObject({ code: 1, signal: null });
  const told =
    /^burgeon: writing checkpoint .*checkpoint-00000015: EROFS.*, (open|mkdir) .*; earlier checkpoints are kept$/m;
  expect(ended.stderr).toMatch(told);
  expect(await readdir(workspace.path('old', '.overwritten'))).toContain('checkpoint-00000015');
  const { stdout } = await workspace.succeed(['train', 'train.yaml', '--auto-resume', '--set', 'output=old']);
  expect(stdout).toContain('trained 15 steps');
  expect(await readdir(workspace.path('old'))).not.toContain('.overwritten');
});

test('a share of the disk that is used up keeps the run that was to be replaced', async () => {
  const replacing = [...train, '--overwrite', '--set', 'output=old', '--set', 'seed=9'];
  const log = workspace.path('replacing.log');
  expect(await refused(undefined, replacing, { CALLS_LOG: log })).toMatchObject({ code: 0 });
  const made = (await callsOf(log)).findIndex((call) => /^mkdir .*\.tmp-checkpoint-/.test(call));
  const { code, stderr } = await refused(`${made + 1}:EDQUOT:on`, replacing);
  expect(code, stderr).toBe(1);
  expect(await readdir(workspace.path('old'))).toContain('checkpoint-00000015');
});

test('an old checkpoint that cannot be deleted is in the way of none, and goes with the next', async () => {
  const at = `${first(/^rm .*\.tmp-checkpoint-00000005/)}:EACCES:once`;
  const { code, stderr } = await refused(at, [...train, '--set', 'output=kept']);
  expect(code, stderr).toBe(0);
  expect((await readdir(workspace.path('kept'))).filter((name) => name.includes('checkpoint'))).toEqual([
    'checkpoint-00000015',
  ]);
});

test.skipIf(process.platform === 'win32').each([24, 40, 64])('with %i descriptors there is one message', async (n) => {
  const command = `ulimit -n ${n} && exec "$0" "$@"`;
  const args = ['-c', command, process.execPath, main, 'plan', 'train.yaml'];
  const stderr = await new Promise<string>((resolve) => {
    execFile('sh', args, { cwd: workspace.path() }, (_, __, text) => resolve(text));
  });
  expect(stderr).toMatch(/^burgeon: EMFILE: .*; raise the limit of open files \(ulimit -n\)\n$/);
});
