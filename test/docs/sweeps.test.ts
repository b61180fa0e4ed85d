// docs/sweeps.md against the program: its first example is the shipped file, its commands work as they stand, with runs cut
// to a few steps, and files over one another come out as it says.

import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { packageRoot } from '../../lib/addon/load.ts';
import { readConfigFile } from '../../lib/config/config-file.ts';
import { sweepKeys } from '../../lib/sweep/sweep-file.ts';
import { parseTrainConfig } from '../../lib/train/train-config.ts';
import { useWorkspace } from '../cli/workspace.ts';
import { someText } from '../train/helpers.ts';

const page = await readFile(path.join(packageRoot, 'docs', 'sweeps.md'), 'utf8');
const [example, extending] = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map((match) => match[1]!);

test('the first example is configs/sweeps/learning-rate.yaml', async () => {
  const shipped = await readFile(path.join(packageRoot, 'configs', 'sweeps', 'learning-rate.yaml'), 'utf8');
  expect(shipped.endsWith(`\n\n${example}`)).toBe(true);
});

test('every key of a sweep file has a row', () => {
  for (const { key } of sweepKeys) expect(page).toContain(`\n| \`${key}\` |`);
});

test('the commands work', async () => {
  const { path: at, succeed } = await useWorkspace();
  await cp(path.join(packageRoot, 'configs'), at('configs'), { recursive: true });
  await writeFile(at('plays.txt'), `ROMEO:\n${someText(20_000)}`);
  await succeed(['prepare', 'plays.txt', '-o', 'data/shakespeare', '-t', 'chars']);
  const commands = [...page.matchAll(/^ {4}burgeon (.*?)(?: +#.*)?$/gm)].map(([, line]) => line!.split(' '));
  expect(commands.map(([name]) => name)).toEqual(['sweep', 'sweep', 'sweep', 'train']);
  const briefly = ['model=gpt2-tiny', 'steps=2', 'evaluation.windows=2', 'sample.every=0'].flatMap((key) => [
    '--set',
    key,
  ]);
  const outputs = [];
  for (const command of commands) {
    const { stdout } = await succeed([...command, ...(command[0] === 'sweep' ? briefly : [])]);
    outputs.push(stdout);
  }
  expect(outputs[0]).toMatch(/^12 runs, /);
  expect(outputs[1]).toMatch(/^12 of 12 runs complete, in runs\/learning-rate\n/);
  expect(outputs[1]!.startsWith(outputs[2]!.trimEnd())).toBe(true);
  // The rows that the page shows are rows of this table.
  const names = [...page.matchAll(/^ {6}(?:\d+|-) {2}(\S+) /gm)].map(([, name]) => name!);
  expect(names.length).toBeGreaterThan(1);
  for (const name of names) expect(outputs[1]).toContain(` ${name} `);
  expect(outputs[3]).toMatch(/^trained 2 steps, .* in runs\/learning-rate\/dense,learningRate=0\.003\/seed1\n/);
});

test('a file over another', async () => {
  const { path: at } = await useWorkspace();
  await cp(path.join(packageRoot, 'configs', 'shakespeare-char.yaml'), at('shakespeare-char.yaml'));
  await writeFile(at('wider.yaml'), extending!);
  const shared = parse(await readFile(at('shakespeare-char.yaml'), 'utf8'));
  expect(parseTrainConfig(await readConfigFile(at('wider.yaml')))).toEqual(
    parseTrainConfig({
      ...shared,
      output: 'runs/wider',
      model: { preset: 'gpt2-nano', nEmbd: 192 },
      est: { ...shared.est, schedule: 'dense' },
    }),
  );
});
