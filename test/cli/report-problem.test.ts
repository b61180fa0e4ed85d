// A report that cannot be written hides nothing of what is there without it.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { useWorkspace } from './workspace.ts';

test('train tells the summary of the run, and why there is no report', async () => {
  const { burgeon, succeed, path } = await useWorkspace();
  await mkdir(path('run', 'report.html'), { recursive: true });
  const { stdout } = await succeed(['train', 'train.yaml', '--quiet']);
  expect(stdout).toMatch(/^trained 15 steps, .* in run\n {2}held-out loss /);
  expect(stdout).toMatch(
    /^ {2}report +run.report\.html \(the report\): cannot be written \(EISDIR.*; `burgeon report run -o FILE` writes one$/m,
  );
  expect((await burgeon(['report', 'run', '-o', 'report.html'])).code).toBe(0);

  await mkdir(path('other', 'report.html.new'), { recursive: true });
  const json = await succeed(['train', 'train.yaml', '--json', '--set', 'output=other']);
  const last = JSON.parse(json.stdout.trimEnd().split('\n').at(-1)!);
  expect(last).toMatchObject({
    summary: { steps: 15 },
    reportProblem: expect.stringMatching(/^other.report\.html \(the report\): cannot be written \(EISDIR/),
  });
});

test('sweep shows its table', async () => {
  const { burgeon, succeed, path } = await useWorkspace();
  const sweep = { output: 'runs', base: { extends: 'train.yaml' }, seeds: [1], variants: { one: null } };
  await writeFile(path('sweep.yaml'), stringify(sweep));
  await mkdir(path('runs', 'report.html'), { recursive: true });
  const { stdout } = await succeed(['sweep', 'sweep.yaml']);
  expect(stdout).toMatch(/ one +1 of 1 +\d\.\d{4} /);
  expect(stdout).toMatch(/^runs.report\.html \(the report\): cannot be written \(EISDIR/m);
  // Where it was asked for, it is missed.
  const asked = await burgeon(['sweep', 'sweep.yaml', '-o', 'none/report.html']);
  expect(asked.code).toBe(1);
  expect(asked.stdout).toMatch(
    / one +1 of 1 +\d\.\d{4} [\s\S]*\nnone\/report\.html \(the report\): cannot be written \(ENOENT/m,
  );
});

test('compare tells what it found', async () => {
  const { burgeon, succeed } = await useWorkspace();
  for (const run of [1, 2]) {
    const set = ['--set', `optimizer.learningRate=${run / 1000}`, '--set', `output=runs/${run}`];
    await succeed(['train', 'train.yaml', '--quiet', ...set]);
  }
  const { stdout: told } = await succeed(['compare', 'runs/1', 'runs/2']);
  const { code, stdout, stderr } = await burgeon(['compare', 'runs/1', 'runs/2', '-o', 'none/report.html']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: told });
  expect(stderr).toMatch(/^burgeon: .*none\/report\.html/);
});

test('a report replaces a report, and nothing else', async () => {
  const { burgeon, succeed, path } = await useWorkspace();
  await succeed(['train', 'train.yaml', '--quiet']);
  await succeed(['report', 'run', '-o', 'run/report.html']);
  await writeFile(path('empty'), '');
  await succeed(['report', 'run', '-o', 'empty']);
  for (const file of ['run/metrics.jsonl', 'data/manifest.json', 'train.yaml', 'text.txt']) {
    const before = await readFile(path(file));
    const { code, stderr } = await burgeon(['report', 'run', '-o', file]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `burgeon: ${file}: expected no such file, or a report to replace, found another file; name another output, or remove it\n`,
    });
    expect(await readFile(path(file))).toEqual(before);
  }
});
