// Finds, checks and loads the native addon, once per thread, and turns its errors into BurgeonErrors.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { BurgeonError, errorCodes } from '../errors.ts';
import type { NativeBinding } from './binding.ts';

const require = createRequire(import.meta.url);

/** The package's own directory: two up from here, in lib/ and in dist/ alike. */
export const packageRoot = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));

/** Version of this package. */
export const packageVersion: string = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')).version;

/** Where a build may be, in the order they are tried: a Debug build was asked for by hand, so it comes first. */
export const addonPaths: readonly string[] = ['Debug', 'Release'].map((kind) =>
  path.join(packageRoot, 'build', kind, 'burgeon.node'),
);

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
  loaded ??= findAddon(addonPaths);
  return loaded;
}

/** As `loadAddon`, without its memory; `paths` are tried in order. */
export function findAddon(paths: readonly string[]): LoadedAddon {
  const attempts: string[] = [];
  for (const candidate of paths) {
    if (!existsSync(candidate)) {
      attempts.push(`${candidate}: not there`);
      continue;
    }
    try {
      const binding = require(candidate) as NativeBinding | undefined;
      if (binding?.version === packageVersion) return { binding, path: candidate };
      const came = binding?.version === undefined ? 'no build of burgeon' : `built from version ${binding.version}`;
      attempts.push(`${candidate}: ${came}, this is ${packageVersion}`);
    } catch (error) {
      attempts.push(`${candidate}: ${(error as Error).message}`);
    }
  }
  throw new BurgeonError(
    'ERR_BURGEON_BACKEND',
    `the native addon could not be loaded:\n  ${attempts.join('\n  ')}\nbuild it with: npm rebuild burgeon (in a clone: npm run build:native)`,
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
  if (!(error instanceof Error) || error instanceof BurgeonError) return error;
  const code = errorCodes.find((known) => known === (error as { code?: unknown }).code);
  return code === undefined ? error : new BurgeonError(code, notFinite(error.message), { cause: error });
}
