// Names of runs where several are shown together, and metrics kept apart from their run.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readRun } from '../../lib/report/read-run.ts';
import type { RunData } from '../../lib/report/run-data.ts';
import { sharedName } from '../../lib/report/shared-name.ts';
import { withDistinctNames } from '../../lib/report/write-report.ts';
import { startLine, validationLine } from './metrics-lines.ts';

const named = (...directories: string[]) =>
  withDistinctNames(directories.map((directory) => ({ directory, name: path.basename(directory) }) as RunData)).map(
    ({ name }) => name,
  );

test('runs are called by their last part, or by what their paths do not share', () => {
  expect(named('runs/dense', 'runs/est')).toEqual(['dense', 'est']);
  expect(named('runs/x/dense/seed1', 'runs/x/dense/seed2', 'runs/x/est/seed1')).toEqual([
    'dense/seed1',
    'dense/seed2',
    'est/seed1',
  ]);
  expect(named('a/run', './b/run')).toEqual(['a/run', 'b/run']);
  expect(named('run', 'a/run')).toEqual(['run', 'a/run']);
  expect(named('a/run', 'a/run')).toEqual(['run', 'run']);
});

test('a metrics file may stand for its run', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'burgeon-names-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = path.join(directory, 'dense-2000.jsonl');
  await writeFile(file, [startLine(), validationLine(0, 3), ''].map((line) => line && JSON.stringify(line)).join('\n'));
  expect(await readRun(file)).toMatchObject({ name: 'dense-2000', validation: { loss: [3] } });
  await expect(readRun(path.join(directory, 'none.jsonl'))).rejects.toMatchObject({ code: 'ERR_BURGEON_DATA' });
});

test('runs of one configuration are called by what their names share', () => {
  const of = (...names: string[]) => sharedName(names.map((name) => ({ name })));
  expect(of('dense/seed1', 'dense/seed2')).toBe('dense');
  expect(of('dense-1', 'dense-2')).toBe('dense-1');
  expect(of('x/dense/seed1')).toBe('x/dense/seed1');
  expect(of('a/run', 'b/run')).toBe('a/run');
});
