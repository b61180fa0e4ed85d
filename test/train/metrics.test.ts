// metrics.jsonl: what is written is read back, a torn end is forgiven, damage is not, and a continued run repeats nothing.

import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import {
  keepMetricsAside,
  type MetricsLine,
  MetricsWriter,
  metricsFileName,
  readMetrics,
} from '../../lib/train/metrics.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { stepLine } from '../report/metrics-lines.ts';

const validation = (step: number): MetricsLine => ({
  kind: 'validation',
  step,
  loss: 3 - step / 10,
  tokens: 64,
  ms: 1.5,
  trainTokens: 64 * step,
  executedBlockFlops: 8e5 * step,
  executedFlops: 1e6 * step,
  trainSeconds: step / 8,
});
const sample = (step: number): MetricsLine => ({ kind: 'sample', step, text: 'two\nlines "quoted" \u2028 é' });

async function fileWith(text: string): Promise<string> {
  const file = path.join(await temporaryDirectory(), metricsFileName);
  await writeFile(file, text);
  return file;
}

const lineOf = (line: MetricsLine) => `${JSON.stringify(line)}\n`;

test('reads back what was written, one line each', async () => {
  const directory = path.join(await temporaryDirectory(), 'not', 'there', 'yet');
  const writer = await MetricsWriter.open(directory, 0);
  const lines = [validation(0), sample(1), validation(2)];
  for (const line of lines) writer.write(line);
  await writer.close();
  expect(writer.file).toBe(path.join(directory, metricsFileName));
  expect(await readMetrics(writer.file)).toEqual(lines);
  expect((await readFile(writer.file, 'utf8')).match(/\n/g)).toHaveLength(3);
});

test('a run that does not exist has no metrics', async () => {
  expect(await readMetrics(path.join(await temporaryDirectory(), metricsFileName))).toEqual([]);
});

test('a torn last line is left out, wherever it was torn', async () => {
  const whole = lineOf(validation(1));
  const torn = lineOf(sample(2));
  for (let length = 0; length < torn.length - 1; length++) {
    expect(await readMetrics(await fileWith(whole + torn.slice(0, length)))).toEqual([validation(1)]);
  }
  // Only the line break is missing: nothing is lost.
  expect(await readMetrics(await fileWith(whole + torn.trimEnd()))).toEqual([validation(1), sample(2)]);
});

test('damage anywhere else is reported with its place', async () => {
  const file = await fileWith(`${lineOf(validation(1))}{"kind":"step","st\n${lineOf(validation(2))}`);
  await expect(readMetrics(file)).rejects.toMatchObject({
    code: 'ERR_BURGEON_DATA',
    message: `${file}:2: expected a JSON object, found {"kind":"step","st`,
  });
});

test('a run that continues drops the lines of steps it will repeat, and a torn end', async () => {
  const file = await fileWith(`${[0, 4, 5, 6].map((step) => lineOf(validation(step))).join('')}{"kind":"st`);
  const writer = await MetricsWriter.open(path.dirname(file), 5);
  expect(await readMetrics(file)).toEqual([0, 4, 5].map(validation));
  writer.write(validation(6));
  await writer.close();
  expect(await readMetrics(file)).toEqual([0, 4, 5, 6].map(validation));
});

test('what is read in chunks is cut at the same place as what is read at once', async () => {
  const long = 'x'.repeat(5 << 20);
  const lines: MetricsLine[] = [validation(1), { kind: 'sample', step: 2, text: long }, validation(2), validation(3)];
  const file = await fileWith(lines.map(lineOf).join(''));
  await (await MetricsWriter.open(path.dirname(file), 2)).close();
  expect(await readMetrics(file)).toEqual(lines.slice(0, 3));
});

test('steps are written together, with the next line of another kind or when it closes; who listens gets them then', async () => {
  const heard: MetricsLine[] = [];
  const directory = await temporaryDirectory();
  const writer = await MetricsWriter.open(directory, 0, { onLine: (line) => heard.push(line) });
  const written = async () => {
    expect(heard).toEqual(await readMetrics(writer.file));
    return heard.length;
  };
  writer.write(stepLine(1, 3));
  writer.write(validation(1));
  expect(await written()).toBe(2);
  writer.write(stepLine(2, 3));
  await writer.close();
  expect(await written()).toBe(3);
});

test('a run that starts anew drops all', async () => {
  const file = await fileWith(lineOf(validation(0)));
  await (await MetricsWriter.open(path.dirname(file), 0)).close();
  expect(await readFile(file, 'utf8')).toBe('');
});

test('a line that cannot be read costs no other, and what lies after the checkpoint goes', async () => {
  const lines = [1, 2, 3, 4, 5].map((step) => lineOf(stepLine(step, 3)));
  lines[1] = lines[1]!.replace('"kind"', '"kinx"');
  const file = await fileWith(lines.join(''));
  await (await MetricsWriter.open(path.dirname(file), 4)).close();
  expect(await readFile(file, 'utf8')).toBe(lines.slice(0, 4).join(''));
});

test('metrics of steps that no checkpoint holds are kept aside, each time under a new name', async () => {
  const file = await fileWith(lineOf(validation(0)));
  const directory = path.dirname(file);
  expect(await keepMetricsAside(directory)).toBeUndefined();
  for (const number of [1, 2]) {
    const text = [7, 8].map((step) => lineOf(stepLine(step, number))).join('');
    await writeFile(file, text);
    expect(await keepMetricsAside(directory)).toEqual({
      file: path.join(directory, `metrics-${number}.jsonl`),
      step: 8,
    });
    expect(await readFile(path.join(directory, `metrics-${number}.jsonl`), 'utf8')).toBe(text);
  }
  expect(await keepMetricsAside(directory)).toBeUndefined();
});
