// JSON files whose contents are not trusted until they have been looked at. Which keys an object must have is the
// reader's business.

import { readFile, stat } from 'node:fs/promises';
import { refusePipe } from '../files/path-kinds.ts';
import { checkpointError, explainFailure } from './checkpoint-error.ts';

/** A JSON object, as opposed to null, an array or a scalar. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Levels of lists and objects in a file; those that burgeon reads have ten at most. */
const maxLevels = 100;
/** Configurations, indexes and states; the index of a large model has about 1 MB. */
const maxJsonBytes = 64 * 2 ** 20;

/**
 * JSON.parse for a text that is not trusted: too many levels take gigabytes, or the stack, and are refused before.
 * @throws {SyntaxError} when it is not JSON or too deep.
 */
export function parseJson(text: string): unknown {
  let levels = 0;
  let isInString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quotationMark) isInString = !isInString;
    else if (isInString) i += code === backslash ? 1 : 0;
    else if (code === leftBracket || code === leftBrace) levels++;
    else if (code === rightBracket || code === rightBrace) levels--;
    if (levels > maxLevels) throw new SyntaxError(`more than ${maxLevels} levels of lists and objects`);
  }
  return JSON.parse(text);
}

const [quotationMark, backslash, leftBracket, rightBracket, leftBrace, rightBrace] = [34, 92, 91, 93, 123, 125];

/**
 * The JSON object in a file.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT when it is missing, not JSON, or not an object.
 */
export async function readJsonObject(path: string): Promise<Record<string, unknown>> {
  const text = await explainFailure(`reading ${path}`, async () => {
    await refusePipe(path);
    const { size } = await stat(path);
    if (size <= maxJsonBytes) return readFile(path, 'utf8');
    throw checkpointError(`${path}: expected a JSON file of at most ${maxJsonBytes} bytes, found ${size}`);
  });
  let value: unknown;
  try {
    value = parseJson(text);
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
