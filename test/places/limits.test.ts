// Few descriptors, little memory, short files and small disks (part of npm run test:places), for every command that writes: limits of the
// system itself, from the start or from the first call that changes a file on. trial.ts says what must hold.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, test } from 'vitest';
import type { Workspace } from '../cli/workspace.ts';
import { commands } from './commands.ts';
import { expectLawful, messages, prepareCommand, type Trial, tally } from './trial.ts';
import { createTemplate } from './workplace.ts';

const limiter = ['--import', path.join(import.meta.dirname, 'limit-at.mjs')];
const hasLimits = process.platform === 'linux' && hasProgram('prlimit');
const isRoot = process.getuid?.() === 0;
const names = Object.keys(commands);

let template: Workspace;
beforeAll(async () => {
  template = await createTemplate();
});
afterAll(async () => {
  const { trials, refused, without, aborted } = tally;
  console.log(
    `${trials} trials: ${refused} ended with a message, ${without} did without, ${aborted} were aborted by Node\n${[...messages].sort().join('\n')}`,
  );
  if (!hasLimits) console.log('limits were left out: they need Linux and prlimit');
  if (!isRoot) console.log('small disks were left out: they need root, who may mount one');
  await template.remove();
});

function hasProgram(name: string): boolean {
  try {
    execFileSync(name, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe.runIf(hasLimits).each(names)('%s', { timeout: 3_600_000 }, (name) => {
  test('with few descriptors', async () => {
    const fromTheStart = [20, 24, 32, 64, 100, 112, 118, 124].map(
      (n): Trial => ({ what: `${n} descriptors`, by: ['prlimit', `--nofile=${n}`] }),
    );
    const later = Array.from(
      { length: 10 },
      (_, n): Trial => ({ what: `${n} more descriptors`, node: limiter, env: { LEAVE_FILES: String(n) } }),
    );
    await expectLawful(await prepareCommand(name, template.path()), [...fromTheStart, ...later]);
  });

  test('with little memory', async () => {
    const trials = [0, 1, 4, 16, 64].map(
      (mb): Trial => ({
        what: `${mb} MB more`,
        node: limiter,
        env: { LEAVE_BYTES: String(mb * 2 ** 20) },
        mayAbort: true,
      }),
    );
    await expectLawful(await prepareCommand(name, template.path()), trials);
  });

  test('with short files', async () => {
    const trials = [0, 1, 100, 1000, 4096, 10_000, 30_000, 60_000].map(
      (bytes): Trial => ({ what: `files of ${bytes} bytes`, by: ['prlimit', `--fsize=${bytes}`] }),
    );
    await expectLawful(await prepareCommand(name, template.path()), trials);
  });
});

describe.runIf(hasLimits && isRoot).each(names)('%s', { timeout: 3_600_000 }, (name) => {
  test('on a small disk', async () => {
    const prepared = await prepareCommand(name, template.path());
    const used = Number(execFileSync('du', ['-sk', prepared.directory], { encoding: 'utf8' }).split('\t')[0]);
    const trials = [0, 4, 12, 40, 80, 120, 200, 280, 360].map((kb): Trial => {
      const sizeOf = (used: number) => `size=${used}k`;
      return {
        what: `${kb} kB left on the disk`,
        disturb: async (directory) => {
          execFileSync('mount', ['-t', 'tmpfs', '-o', sizeOf(used + kb), 'none', directory]);
          execFileSync('cp', ['-a', `${prepared.directory}/.`, directory]);
        },
        restore: async (directory) => execFileSync('mount', ['-o', `remount,${sizeOf(100_000)}`, directory]),
        clear: async (directory) => execFileSync('umount', [directory]),
      };
    });
    await expectLawful(prepared, trials);
  });
});
