// What to do where no addon can be loaded.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { optionalPackages, packageVersion } from '../package.ts';
import { fileOfPackage, isClone } from './packages.ts';
import { installCommand, packageManager, platformPackage } from './platform.ts';

export interface Remedy {
  /** What is missing or wrong; empty where the files that were tried say it. */
  reason: string;
  /** What to type. */
  command: string;
}

export function addonRemedy(): Remedy {
  if (process.env.BURGEON_ADDON) {
    return { reason: 'BURGEON_ADDON names the only file that is tried', command: 'unset BURGEON_ADDON' };
  }
  if (isClone) return { reason: '', command: 'npm run build:native' };
  const name = platformPackage();
  if (!optionalPackages.includes(name)) {
    return { reason: 'no package has it for this platform; build it here', command: 'npx burgeon build' };
  }
  const folder = fileOfPackage(name, '');
  if (folder !== undefined) return remedyForPackage(name, folder);
  return {
    reason: `${name} is not installed: optional dependencies were left out, or node_modules comes from another system`,
    command: installCommand(`${name}@${packageVersion}`),
  };
}

/** The package of this platform is there, and its addon did not load. */
function remedyForPackage(name: string, folder: string): Remedy {
  const { version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { version: string };
  if (version !== packageVersion) {
    const reason = `${name} is of version ${version}, this is ${packageVersion}`;
    return { reason, command: installCommand(`${name}@${packageVersion}`) };
  }
  if (existsSync(path.join(folder, 'burgeon.node'))) return { reason: '', command: 'npx burgeon build' };
  // Package managers look at what they wrote down, not at the files.
  const reason = `the package has lost its file: delete ${folder}, then install again`;
  return { reason, command: `${packageManager()} install` };
}
