// JSON files whose contents are not trusted until they have been looked at. Which keys an object must have is the
// reader's business.

import { readFile } from 'node:fs/promises';
import { checkpointError, explainFailure } from './checkpoint-error.ts';

/** A JSON object, as opposed to null, an array or a scalar. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The JSON object in a file.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT when it is missing, not JSON, or not an object.
 */
export async function readJsonObject(path: string): Promise<Record<string, unknown>> {
  const text = await explainFailure(`reading ${path}`, () => readFile(path, 'utf8'));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw checkpointError(
      `${path}: expected JSON, found text that is not (${cause}); restore or rewrite the file`,
      cause,
    );
  }
  if (isJsonObject(value)) return value;
  throw checkpointError(`${path}: expected a JSON object, found ${Array.isArray(value) ? 'an array' : typeof value}`);
}

/**
 * JSON text for a file, indented, with a final newline.
 * @param what names the value in errors.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT for NaN and infinities, which JSON would silently turn into null.
 */
export function toJsonText(what: string, value: object): string {
  const checked = (key: string, item: unknown) => {
    if (typeof item === 'number' && !Number.isFinite(item)) {
      throw checkpointError(`${what}: ${key}: ${item} cannot be stored as JSON; leave it out or store a string`);
    }
    return item;
  };
  return `${JSON.stringify(value, checked, 2)}\n`;
}
