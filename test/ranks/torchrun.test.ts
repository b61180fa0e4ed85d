// Processes that a real torchrun starts, where there is one: they train to the bits of one process, and after one is lost too.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { useWorkspace } from '../cli/workspace.ts';
import { main } from '../helpers/cli.ts';

const isThere = spawnSync('sh', ['-c', 'command -v torchrun']).status === 0;

test.skipIf(!isThere)('torchrun starts ranks, again where one is killed', { timeout: 120_000 }, async () => {
  const workspace = await useWorkspace({ steps: 400, accumulationSteps: 4, checkpoint: { every: 50 } });
  await workspace.succeed(['train', 'train.yaml', '--set', 'output=alone']);

  const train = [process.execPath, main, 'train', 'train.yaml', '--auto-resume'];
  const ranks = spawn('torchrun', ['--nproc-per-node', '2', '--max-restarts', '1', '--no-python', ...train], {
    cwd: workspace.path(),
    env: { ...process.env, BURGEON_THREADS: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise((resolve) => ranks.once('exit', resolve));
  ranks.stdout.resume();
  let resumed: string | undefined;
  let isKilled = false;
  for await (const line of createInterface({ input: ranks.stderr })) {
    if (line.startsWith('step 100:') && !isKilled) {
      isKilled = true;
      execFileSync('pkill', ['-KILL', '--newest', '--parent', String(ranks.pid)]);
    }
    if (line.startsWith('resumed after step')) resumed = line;
  }
  expect(await ended).toBe(0);
  expect(isKilled).toBe(true);
  expect(resumed).toMatch(/^resumed after step \d+/);
  const weights = (run: string) => readFileSync(workspace.path(run, 'checkpoint-00000400', 'model.safetensors'));
  expect(weights('run').equals(weights('alone'))).toBe(true);
});
