// What this machine is called in the names of packages, and how its package manager installs one.

import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

/** Name of the package with the addon for this machine. */
export function platformPackage(): string {
  return `@burgeon/${process.platform}${isMusl() ? 'musl' : ''}-${process.arch}`;
}

/** "linux-x64, glibc 2.36": for messages. */
export function describePlatform(): string {
  const version = glibcVersion();
  const libc = process.platform === 'linux' ? `, ${version === undefined ? 'musl' : `glibc ${version}`}` : '';
  return `${process.platform}-${process.arch}${libc}`;
}

function isMusl(): boolean {
  return process.platform === 'linux' && glibcVersion() === undefined;
}

function glibcVersion(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  // Without it the report asks the network for the names of open connections.
  Object.assign(process.report, { excludeNetwork: true });
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime;
}

const lockFiles: Record<string, string> = {
  'pnpm-lock.yaml': 'pnpm',
  'yarn.lock': 'yarn',
  'bun.lock': 'bun',
  'bun.lockb': 'bun',
  'package-lock.json': 'npm',
};

/** The package manager that runs this program, else the one whose lock file is nearest, else npm. */
export function packageManager(directory = process.cwd(), environment = process.env): string {
  const running = /^(npm|pnpm|yarn|bun)\//.exec(environment.npm_config_user_agent ?? '')?.[1];
  if (running !== undefined) return running;
  for (let at = path.resolve(directory); ; at = path.dirname(at)) {
    const found = Object.keys(lockFiles).find((name) => existsSync(path.join(at, name)));
    if (found !== undefined) return lockFiles[found]!;
    if (at === path.dirname(at)) return 'npm';
  }
}

/** The command that installs a package. */
export function installCommand(name: string, manager = packageManager()): string {
  return `${manager} ${manager === 'npm' ? 'install' : 'add'} ${name}`;
}
