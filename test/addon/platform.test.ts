// Names of packages and the commands that install them.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describePlatform, installCommand, packageManager, platformPackage } from '../../lib/addon/platform.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-platform-'));
});
afterAll(() => rm(directory, { recursive: true }));

describe('platformPackage', () => {
  it('names system, C library and processor', () => {
    expect(platformPackage()).toMatch(/^@burgeon\/(linux|linuxmusl|darwin|win32)-(x64|arm64)$/);
    expect(describePlatform()).toContain(`${process.platform}-${process.arch}`);
    if (process.platform === 'linux') expect(describePlatform()).toMatch(/, (musl|glibc 2\.\d+)$/);
  });
});

describe('packageManager', () => {
  it('is the one that runs the program', () => {
    expect(packageManager(directory, { npm_config_user_agent: 'pnpm/10.0.0 npm/? node/v20' })).toBe('pnpm');
    expect(packageManager(directory, { npm_config_user_agent: 'npm/11.0.0 node/v20' })).toBe('npm');
  });

  it('else the one whose lock file is nearest, else npm', async () => {
    const inner = path.join(directory, 'a', 'b');
    await mkdir(inner, { recursive: true });
    expect(packageManager(inner, {})).toBe('npm');
    await writeFile(path.join(directory, 'yarn.lock'), '');
    expect(packageManager(inner, {})).toBe('yarn');
    await writeFile(path.join(directory, 'a', 'pnpm-lock.yaml'), '');
    expect(packageManager(inner, {})).toBe('pnpm');
  });

  it('has its own word for adding a package', () => {
    expect(installCommand('x@1', 'npm')).toBe('npm install x@1');
    expect(installCommand('x@1', 'yarn')).toBe('yarn add x@1');
  });
});
