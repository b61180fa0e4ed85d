// Finds, checks and loads the native addon, once per thread, and turns its errors into BurgeonErrors.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import { BurgeonError, errorCodes, isError } from '../errors.ts';
import { packageRoot, packageVersion } from '../package.ts';
import type { NativeBinding } from './binding.ts';
import { fileOfPackage, isClone, sourceRoot } from './packages.ts';
import { describePlatform, platformPackage } from './platform.ts';
import { addonRemedy } from './remedy.ts';

export { packageRoot, packageVersion };

const require = createRequire(import.meta.url);

export interface LoadedAddon {
  binding: NativeBinding;
  /** File it was loaded from. */
  path: string;
}

let loaded: LoadedAddon | undefined;

/**
 * The native addon.
 * @throws {BurgeonError} ERR_BURGEON_BACKEND listing every path tried, why it failed, and what to do.
 */
export function loadAddon(): LoadedAddon {
  loaded ??= findAddon(addonFiles());
  return loaded;
}

/** Why there is no addon; undefined where there is one. */
export function addonProblem(): BurgeonError | undefined {
  try {
    loadAddon();
    return undefined;
  } catch (error) {
    if (error instanceof BurgeonError) return error;
    throw error;
  }
}

/**
 * Where the addon may be, in the order they are tried: the file that BURGEON_ADDON names and no other; else what was
 * built on this machine (Debug was asked for by hand, so it comes first); else the package of the platform.
 */
export function addonFiles(): string[] {
  const given = process.env.BURGEON_ADDON;
  if (given) return [path.resolve(given)];
  const source = sourceRoot();
  const own = source === undefined ? [] : ['Debug', 'Release'].map((kind) => path.join(source, 'build', kind));
  const packaged = isClone ? undefined : fileOfPackage(platformPackage(), '');
  return [...own, ...(packaged === undefined ? [] : [packaged])].map((folder) => path.join(folder, 'burgeon.node'));
}

/** As `loadAddon`, without its memory; `files` are tried in order. */
export function findAddon(files: readonly string[]): LoadedAddon {
  const attempts: string[] = [];
  for (const file of files) {
    if (!existsSync(file)) {
      attempts.push(`${file}: not there`);
      continue;
    }
    try {
      const binding = require(file) as NativeBinding | undefined;
      if (binding?.version === packageVersion) return { binding, path: file };
      const came = binding?.version === undefined ? 'no build of burgeon' : `built from version ${binding.version}`;
      attempts.push(`${file}: ${came}, this is ${packageVersion}`);
    } catch (error) {
      const { message } = error as Error;
      attempts.push(message.startsWith(file) ? message : `${file}: ${message}`);
    }
  }
  const { reason, command } = addonRemedy();
  throw new BurgeonError(
    'ERR_BURGEON_BACKEND',
    [
      `the native addon for ${describePlatform()} could not be loaded:`,
      ...[...attempts, ...(reason === '' ? [] : [reason])].map((line) => `  ${line}`),
      `what helps: ${command}`,
    ].join('\n'),
  );
}

/** Runs a native call; what it throws or rejects with becomes a BurgeonError with the same code and message. */
export async function native<Result>(call: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    throw toBurgeonError(error);
  }
}

/** As `native`, for a call that does not return a Promise. */
export function nativeSync<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    throw toBurgeonError(error);
  }
}

/** Numbers that are none as JavaScript writes them: native code says "-nan" and "inf". */
const notFinite = (message: string) =>
  message.replace(
    /\bcomputed (-?)(nan|inf)\b/g,
    (_, sign, word) => `computed ${word === 'nan' ? 'NaN' : `${sign}Infinity`}`,
  );

function toBurgeonError(error: unknown): unknown {
  if (!isError(error) || error instanceof BurgeonError) return error;
  const code = errorCodes.find((known) => known === (error as { code?: unknown }).code);
  return code === undefined ? error : new BurgeonError(code, notFinite(error.message), { cause: error });
}
