// Lines of metrics that cannot be read are named where somebody looks, not only in the report.

import { readFile, rm, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { useWorkspace, type Workspace } from './workspace.ts';

/** A run that stopped halfway, two of whose lines are damaged, with a dense one beside it. */
async function damagedRun(): Promise<Workspace> {
  const workspace = await useWorkspace({ checkpoint: { every: 5 } });
  const { succeed, path } = workspace;
  for (const output of ['run', 'dense']) {
    const set = output === 'dense' ? ['--set', 'est.schedule=dense'] : [];
    await succeed(['train', 'train.yaml', '--quiet', '--set', `output=${output}`, ...set]);
  }
  await rm(path('run', 'checkpoint-00000015'), { recursive: true });
  const text = await readFile(path('run', 'metrics.jsonl'), 'utf8');
  const lines = text.split('\n').map((line) => {
    if (line.startsWith('{"kind":"step","step":3,')) return line.replace(/"loss":[\d.]+/, '"loss":"low"');
    return line.startsWith('{"kind":"step","step":4,') ? '\0'.repeat(line.length) : line;
  });
  await writeFile(path('run', 'metrics.jsonl'), lines.join('\n'));
  return workspace;
}

const typeNote = /^note: run.metrics\.jsonl:\d+: damaged, left out: loss: expected number, received string: /m;
const zeroNote = /^note: run.metrics\.jsonl:\d+: no JSON, left out: \?{60}$/m;

test('report, compare and train --resume say which lines', async () => {
  const { succeed } = await damagedRun();
  for (const args of [
    ['report', 'run', '-o', 'run.html'],
    ['compare', 'dense', 'run'],
    ['compare', 'dense', 'run', '-o', 'both.html', '--json'],
    ['train', 'train.yaml', '--resume', '--quiet'],
  ]) {
    const { stderr } = await succeed(args);
    expect(stderr, args[0]).toMatch(typeNote);
    expect(stderr, args[0]).toMatch(zeroNote);
    expect(stderr.match(/^note: run.metrics\.jsonl/gm), args[0]).toHaveLength(2);
  }
});

test('a run that goes on says that its metrics are gone, or end too early', async () => {
  const { succeed, path } = await damagedRun();
  const whole = await readFile(path('run', 'metrics.jsonl'), 'utf8');
  const resume = async () => {
    const { stderr } = await succeed(['train', 'train.yaml', '--resume', '--quiet']);
    await rm(path('run', 'checkpoint-00000015'), { recursive: true });
    return stderr;
  };
  await writeFile(path('run', 'metrics.jsonl'), whole.slice(0, whole.indexOf('{"kind":"step","step":2,')));
  expect(await resume()).toMatch(
    /^note: run.metrics\.jsonl: expected lines of the 10 steps so far, found none after step 1;/m,
  );
  await rm(path('run', 'metrics.jsonl'));
  expect(await resume()).toMatch(/^note: run.metrics\.jsonl: expected lines of the 10 steps so far, found none;/m);
  await writeFile(path('run', 'metrics.jsonl'), whole.replace(/.*"checkpoint","step":10[\s\S]*/, ''));
  expect(await resume()).not.toContain('expected lines');
});
