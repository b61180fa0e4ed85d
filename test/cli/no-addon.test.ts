// What works where the native addon could not be installed: in a copy of the package without it.

import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describePlatform, platformPackage } from '../../lib/addon/platform.ts';
import { packageVersion } from '../../lib/package.ts';
import { type CommandResult, runNode } from '../helpers/cli.ts';
import { someText } from '../train/helpers.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'burgeon-no-addon-'));
  for (const name of ['dist', 'configs', 'package.json']) {
    await cp(name, path.join(directory, name), { recursive: true });
  }
  await symlink(path.resolve('node_modules'), path.join(directory, 'node_modules'));
});
afterAll(() => rm(directory, { recursive: true }));

function burgeon(line: string, env: Record<string, string> = {}): Promise<CommandResult> {
  const main = path.join(directory, 'dist', 'cli', 'main.js');
  return runNode([main, ...line.split(' ')], { cwd: directory, env });
}

test('doctor: one table, the verdict, what to type', async () => {
  const { code, stdout, stderr } = await burgeon('doctor');
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
  const [table, verdict] = stdout.split('\n\n');
  expect(table).toMatch(/^addon +no package has it for this platform; build it here$/m);
  expect(table).toMatch(/^backend +none$/m);
  expect(table).toMatch(/^processor +\S/m);
  expect(verdict).toBe(
    `not ready: the native addon for ${describePlatform()} could not be loaded\nnext: npx burgeon build\n`,
  );
});

test('doctor as JSON', async () => {
  const { code, stdout } = await burgeon('doctor --json');
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ ready: false, addon: null, backend: null, next: 'npx burgeon build' });
});

test('plan: all but what only the engine knows', async () => {
  const { code, stdout, stderr } = await burgeon('plan shakespeare-char --vocab-size 61');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('block FLOPs saved  30.00 %');
  expect(stdout).toContain('total                        809 k (809,344)');
  expect(stdout).toContain('weights, gradients, moments  12.3 MiB in float32');
  expect(stdout).toMatch(/the rest +not known without the native addon; `burgeon doctor` says/);
  const { memory, stageMemory, plan } = JSON.parse((await burgeon('plan --model gpt2 --json')).stdout);
  expect({ memory, stageMemory }).toEqual({ memory: null, stageMemory: null });
  expect(plan.blockSaving).toBeCloseTo(0.2667, 4);
});

test('plan --compare: shares, without times', async () => {
  const { code, stdout } = await burgeon('plan --model gpt2 --compare');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ {2}stack-4 +70\.0 % .*not measured/m);
  expect(stdout).toContain('times and activations need the native addon');
});

test.each(['presets', 'init own-text here', '--help', 'train --help', 'doctor --help'])('%s', async (line) => {
  expect(await burgeon(line)).toMatchObject({ code: 0, stderr: '' });
});

test('prepare, with a tokenizer that needs no addon', async () => {
  await writeFile(path.join(directory, 'book.txt'), someText(5000));
  const { code, stdout } = await burgeon('prepare book.txt -o data/book -t chars');
  expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('wrote data/book') });
});

test('what needs the addon says what is missing', async () => {
  const { code, stdout, stderr } = await burgeon('train debug --set data.directory=data/book');
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^burgeon: the native addon for \S+, .* could not be loaded:\n/);
  expect(stderr).toContain('what helps: npx burgeon build');
});

test('doctor names the package of the platform, where there is one, and the command that installs it', async () => {
  const file = path.join(directory, 'package.json');
  const manifest = JSON.parse(await readFile(file, 'utf8'));
  const name = platformPackage();
  await writeFile(file, JSON.stringify({ ...manifest, optionalDependencies: { [name]: packageVersion } }));
  const { code, stdout } = await burgeon('doctor', { npm_config_user_agent: 'pnpm/10.0.0' });
  expect(code).toBe(1);
  expect(stdout).toContain(`${name} is not installed: optional dependencies were left out`);
  expect(stdout).toContain(`next: pnpm add ${name}@${packageVersion}\n`);
});

test.each([
  ['0.0.1', 'is of version 0.0.1, this is', `next: npm install ${platformPackage()}@${packageVersion}`],
  [packageVersion, 'the package has lost its file: delete ', 'next: npm install'],
])(
  'doctor tells how a package of the platform, version %s, without its file, is mended',
  async (version, reason, next) => {
    const modules = path.join(directory, 'node_modules');
    await rm(modules, { recursive: true });
    for (const name of (await readdir('node_modules')).filter((each) => !each.startsWith('.'))) {
      await mkdir(modules, { recursive: true });
      await symlink(path.resolve('node_modules', name), path.join(modules, name));
    }
    const folder = path.join(modules, ...platformPackage().split('/'));
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'package.json'), JSON.stringify({ name: platformPackage(), version }));
    const { code, stdout } = await burgeon('doctor', { npm_config_user_agent: 'npm/11.0.0' });
    expect(code).toBe(1);
    expect(stdout).toContain(reason);
    expect(stdout.endsWith(`\n${next}\n`)).toBe(true);
  },
);
