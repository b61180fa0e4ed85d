// checkpoint.json, the list of a checkpoint's files with sizes and hashes: format, reading, and checking a directory
// against it. It is written last, so a directory with a matching one is complete. What the files mean is checkpoint.ts.

import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { BurgeonError } from '../errors.ts';
import { digestFile, type FileDigest } from '../files/durable-file.ts';
import { isMissing } from '../files/is-missing.ts';
import { exists } from '../files/path-kinds.ts';
import { checkpointError } from '../formats/checkpoint-error.ts';
import { isJsonObject, readJsonObject } from '../formats/json.ts';
import { quote } from '../quote.ts';

export const manifestFile = 'checkpoint.json';

/** The contents of checkpoint.json. */
export interface Manifest {
  format: 'burgeon-checkpoint';
  version: 1;
  /** Optimizer updates done when it was saved. */
  step: number;
  /** Every other file of the directory. */
  files: Record<string, FileDigest>;
}

/**
 * Reads checkpoint.json and checks that every file it lists has its size; cheap, no file contents are read.
 * @param required files that the manifest must list.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT naming the first file that is missing or of another size.
 */
export async function readManifest(directory: string, required: readonly string[]): Promise<Manifest> {
  const manifest = await parseManifest(directory, required);
  for (const [name, { bytes }] of Object.entries(manifest.files)) {
    const found = await fileSize(join(directory, name));
    if (found !== bytes) throw damaged(directory, name, `expected ${bytes} bytes, found ${found ?? 'no file'}`);
  }
  return manifest;
}

/** Reads checkpoint.json alone. @throws {BurgeonError} ERR_BURGEON_CHECKPOINT as `readManifest`. */
export async function parseManifest(directory: string, required: readonly string[] = []): Promise<Manifest> {
  const path = join(directory, manifestFile);
  if (!(await exists(path))) throw damaged(directory, manifestFile, 'no such file, which is written last');
  const manifest = await readJsonObject(path);
  const { format, version, step, files } = manifest;
  if (format !== 'burgeon-checkpoint') {
    throw checkpointError(`${path}: format: expected "burgeon-checkpoint", found ${quote(format)}`);
  }
  if (version !== 1) {
    throw checkpointError(
      `${path}: version: expected 1, found ${quote(version)}; use the burgeon version that wrote it`,
    );
  }
  if (!Number.isSafeInteger(step) || !isJsonObject(files) || !Object.entries(files).every(isFileEntry)) {
    throw damaged(directory, manifestFile, 'malformed step or files');
  }
  const unlisted = required.find((name) => !Object.hasOwn(files, name));
  if (unlisted !== undefined) throw damaged(directory, manifestFile, `does not list ${unlisted}`);
  return manifest as unknown as Manifest;
}

/**
 * Reads every listed file and compares its SHA-256.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT naming the first file whose contents changed.
 */
export async function verifyHashes(directory: string, manifest: Manifest): Promise<void> {
  const damage = await findDamage(directory, manifest);
  if (damage) throw damage;
}

/** The same, as an error that is not thrown: what cannot be read at all is another matter. */
export async function findDamage(directory: string, manifest: Manifest): Promise<BurgeonError | undefined> {
  for (const [name, { sha256 }] of Object.entries(manifest.files)) {
    const found = await digestFile(join(directory, name));
    if (found.sha256 !== sha256) return damaged(directory, name, `expected SHA-256 ${sha256}, found ${found.sha256}`);
  }
  return undefined;
}

function isFileEntry([name, digest]: [string, unknown]): boolean {
  return (
    name === basename(name) &&
    isJsonObject(digest) &&
    Number.isSafeInteger(digest.bytes) &&
    /^[0-9a-f]{64}$/.test(String(digest.sha256))
  );
}

async function fileSize(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function damaged(directory: string, file: string, problem: string) {
  return checkpointError(
    `${join(directory, file)}: ${problem}: the checkpoint is damaged or incomplete; restore it from a copy, or delete ${directory} and ` +
      'resume from an earlier one',
  );
}
