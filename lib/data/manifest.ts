// The manifest of a prepared data set: what is in its directory and how it came about. Written last by prepare.ts, read
// by dataset.ts; it names files relative to its own directory, so a data set can be moved.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { requireText } from '../config/require.ts';
import { BurgeonError } from '../errors.ts';
import { replaceFile } from '../files/replace-file.ts';
import { parseDescription, type TokenizerDescription } from '../tokenizer/description.ts';

export const manifestFileName = 'manifest.json';
const manifestFormat = 'burgeon-data';
const manifestVersion = 1;

/** One split of a prepared data set. */
export interface SplitManifest {
  /** Token shards, in order, in the directory of the manifest. */
  files: string[];
  /**
   * SHA-256 of the tokens of each, as they are stored, without the header of the file, in hex. Data sets of earlier versions have
   * none.
   */
  sha256?: string[] | undefined;
  tokens: number;
  /** Documents of which the split has at least a part. */
  documents: number;
  /** UTF-8 bytes of its text, delimiters not counted. */
  bytes: number;
}

export interface DataManifest {
  format: 'burgeon-data';
  version: 1;
  tokenizer: TokenizerDescription;
  /** V. */
  vocabSize: number;
  /** The token that stands before every document, if there is one. */
  delimiter: { token: number; position: 'before' } | null;
  /** Whether whole documents went to one split or the other, or the one document was cut; null without validation. */
  splitBy: 'documents' | 'tokens' | null;
  splits: { train: SplitManifest; validation?: SplitManifest | undefined };
  /**
   * What was read: files, documents in them, bytes of their text; and the file in the directory of the manifest that says what became of
   * each. Data sets of earlier versions have none.
   */
  source: { files: number; documents: number; bytes: number; list?: string | undefined };
  /** Documents left out, lines of .jsonl with nothing on them (earlier versions do not count those), and the file in the directory of the manifest that lists the near-duplicates, if they were looked for. */
  skipped: { empty: number; nearDuplicates: number; blankLines?: number | undefined; list?: string | undefined };
  /** Replacement characters (U+FFFD) put in for bytes that were not UTF-8. */
  invalidUtf8: number;
  /** The options that shaped the data. */
  options: { validationFraction: number; dropNearDuplicates: boolean; delimiter: string | null };
  /** For people; also worth showing again when the data is used. */
  warnings: string[];
}

/**
 * Writes manifest.json, adding the fields that never change.
 * @returns the manifest written.
 * @throws {BurgeonError} ERR_BURGEON_DATA when that fails.
 */
export async function writeManifest(
  directory: string,
  content: Omit<DataManifest, 'format' | 'version'>,
): Promise<DataManifest> {
  const manifest: DataManifest = { format: manifestFormat, version: manifestVersion, ...content };
  const path = join(directory, manifestFileName);
  await replaceFile(path, `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

const count = z.number().int().nonnegative();
// A manifest cannot point at files outside its directory.
const plainName = z.string().regex(/^[^/\\]+$/, 'expected a file name without directories');
const split = z
  .object({
    files: z.array(plainName).min(1),
    sha256: z.array(z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits')).optional(),
    tokens: count,
    documents: count,
    bytes: count,
  })
  .refine(({ files, sha256 }) => sha256 === undefined || sha256.length === files.length, 'expected a hash per file');
const schema = z.object({
  format: z.literal(manifestFormat),
  version: z.literal(manifestVersion),
  tokenizer: z.unknown(),
  vocabSize: z.number().int().positive(),
  delimiter: z.object({ token: count, position: z.literal('before') }).nullable(),
  splitBy: z.enum(['documents', 'tokens']).nullable(),
  splits: z.object({ train: split, validation: split.optional() }),
  source: z.object({ files: count, documents: count, bytes: count, list: plainName.optional() }),
  skipped: z.object({ empty: count, nearDuplicates: count, blankLines: count.optional(), list: plainName.optional() }),
  invalidUtf8: count,
  options: z.object({
    validationFraction: z.number(),
    dropNearDuplicates: z.boolean(),
    delimiter: z.string().nullable(),
  }),
  warnings: z.array(z.string()),
});

/**
 * Reads the manifest of a data set.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for what is no path; ERR_BURGEON_DATA when it is missing, damaged, of another format or from a newer version.
 */
export async function readManifest(directory: string): Promise<DataManifest> {
  requireText('directory', directory, 'the path of a data set');
  const path = join(directory, manifestFileName);
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const isMissing = code === 'ENOENT' || code === 'ENOTDIR';
    const problem = isMissing ? 'expected the manifest of a prepared data set, found none' : `unreadable (${message})`;
    const command = `burgeon prepare FILE... -o ${directory}`;
    throw new BurgeonError('ERR_BURGEON_DATA', `${path}: ${problem}; make a data set with \`${command}\``, { cause });
  }
  const { format, version } = (value ?? {}) as { format?: unknown; version?: unknown };
  if (format === manifestFormat && typeof version === 'number' && version > manifestVersion) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${path}: expected version ${manifestVersion}, found ${version}; it was written by a newer burgeon, update this one`,
    );
  }
  const result = schema.safeParse(value);
  if (!result.success) {
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${path}: expected the manifest of a burgeon data set, but ${z.prettifyError(result.error)}; prepare the data again`,
    );
  }
  return { ...result.data, tokenizer: parseDescription(result.data.tokenizer, 'ERR_BURGEON_DATA', path) };
}
