// What to do where no addon can be loaded.

import process from 'node:process';
import { optionalPackages, packageVersion } from '../package.ts';
import { fileOfPackage, isClone } from './packages.ts';
import { installCommand, platformPackage } from './platform.ts';

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
  if (fileOfPackage(name, '') !== undefined) return { reason: '', command: 'npx burgeon build' };
  return {
    reason: `${name} is not installed: optional dependencies were left out, or node_modules comes from another system`,
    command: installCommand(`${name}@${packageVersion}`),
  };
}
