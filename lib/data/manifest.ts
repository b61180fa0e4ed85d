// The manifest of a prepared data set: what is in its directory and how it came about. Written last by prepare.ts, read
// by dataset.ts; it names files relative to its own directory, so a data set can be moved. What it says is believed, so it has
// to be whole and to agree with itself: someone may have edited it.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { requireText } from '../config/require.ts';
import { formatKey } from '../config/validate.ts';
import { BurgeonError } from '../errors.ts';
import { refusePipe } from '../files/path-kinds.ts';
import { replaceFile } from '../files/replace-file.ts';
import { listNames } from '../quote.ts';
import { parseDescription, type TokenizerDescription } from '../tokenizer/description.ts';
import { vocabularySize } from '../tokenizer/vocabulary-size.ts';
import { explainMissingManifest } from './missing-manifest.ts';

export const manifestFileName = 'manifest.json';
const manifestFormat = 'burgeon-data';
const manifestVersion = 2;
/** Its shards may have no hashes; otherwise the same. */
const versionBefore = 1;

/** One split of a prepared data set. */
export interface SplitManifest {
  /** Token shards, in order, in the directory of the manifest. */
  files: string[];
  /**
   * SHA-256 of the tokens of each, as they are stored, without the header of the file, in hex. Data sets of version 1 may have
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
  version: 1 | 2;
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
const hash = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits');
const split = z
  .strictObject({
    files: z.array(plainName).min(1),
    sha256: z.array(hash).optional(),
    tokens: count,
    documents: count,
    bytes: count,
  })
  .refine(({ files, sha256 }) => sha256 === undefined || sha256.length === files.length, 'expected a hash per file');
const schema = z.strictObject({
  format: z.literal(manifestFormat),
  version: z.union([z.literal(versionBefore), z.literal(manifestVersion)]),
  tokenizer: z.unknown(),
  vocabSize: z.number().int().positive(),
  delimiter: z.strictObject({ token: count, position: z.literal('before') }).nullable(),
  splitBy: z.enum(['documents', 'tokens']).nullable(),
  splits: z.strictObject({ train: split, validation: split.optional() }),
  source: z.strictObject({ files: count, documents: count, bytes: count, list: plainName.optional() }),
  skipped: z.strictObject({
    empty: count,
    nearDuplicates: count,
    blankLines: count.optional(),
    list: plainName.optional(),
  }),
  invalidUtf8: count,
  options: z.strictObject({
    validationFraction: z.number().min(0).lt(1),
    dropNearDuplicates: z.boolean(),
    delimiter: z.string().nullable(),
  }),
  warnings: z.array(z.string()),
});

/**
 * Reads the manifest of a data set.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG for what is no path; ERR_BURGEON_DATA when it is missing, damaged, of another format, from a newer version, or
 *   contradicts itself.
 */
export async function readManifest(directory: string): Promise<DataManifest> {
  requireText('directory', directory, 'the path of a data set');
  const path = join(directory, manifestFileName);
  let value: unknown;
  try {
    await refusePipe(path);
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const isMissing = code === 'ENOENT' || code === 'ENOTDIR';
    const problem = isMissing
      ? await explainMissingManifest(directory, manifestFileName)
      : `${path}: unreadable (${message}); make a data set with \`burgeon prepare FILE... -o ${directory}\``;
    throw new BurgeonError('ERR_BURGEON_DATA', problem, { cause });
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
      `${path}: expected the manifest of a burgeon data set, found ${problemsOf(result.error)}; ${advice}`,
    );
  }
  const manifest = { ...result.data, tokenizer: parseDescription(result.data.tokenizer, 'ERR_BURGEON_DATA', path) };
  const problem = contradiction(manifest, path);
  if (problem === undefined) return manifest;
  throw new BurgeonError('ERR_BURGEON_DATA', `${path}: ${problem}; ${advice}`);
}

function problemsOf({ issues }: z.ZodError): string {
  const texts = issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => `${formatKey([...issue.path, key])}: unknown key`)
      : [`${formatKey(issue.path)}: ${issue.message.replace(/^Invalid input: /, '')}`],
  );
  return listNames(texts, 5);
}

const advice = 'it was edited or damaged after it was written, restore it or prepare the data again';

/** What cannot be so in a manifest that `prepare` wrote; undefined where all fits together. */
function contradiction(manifest: DataManifest, path: string): string | undefined {
  const { version, tokenizer, vocabSize, delimiter, splitBy, splits, source, skipped } = manifest;
  const tokens = vocabularySize(tokenizer, path);
  if (vocabSize !== tokens) {
    return `vocabSize: expected ${tokens}, the tokens of the ${tokenizer.name} tokenizer in it, found ${vocabSize}`;
  }
  if (delimiter && delimiter.token >= vocabSize) {
    return `delimiter.token: expected a token below ${vocabSize}, found ${delimiter.token}`;
  }
  if ((splitBy === null) !== (splits.validation === undefined)) {
    return `splitBy: expected null without a validation split, and only then, found ${JSON.stringify(splitBy)}`;
  }
  const all = [splits.train, ...(splits.validation ? [splits.validation] : [])];
  if (version === manifestVersion && all.some(({ sha256 }) => sha256 === undefined)) {
    return `splits: expected sha256, the hashes of the shards, in every split of version ${manifestVersion}, found a split without`;
  }
  const files = all.flatMap((each) => each.files);
  const repeated = files.find((file, i) => files.indexOf(file) !== i);
  if (repeated !== undefined) return `splits: expected every file once, found ${repeated} twice`;
  // A document that was cut has a part in both.
  const kept = splitBy === 'tokens' ? 1 : all.reduce((sum, each) => sum + each.documents, 0);
  const documents = kept + skipped.empty + skipped.nearDuplicates;
  if (documents === source.documents) return undefined;
  return (
    `source.documents: expected ${documents}, as many as the splits have (${kept}) and were skipped ` +
    `(${skipped.empty + skipped.nearDuplicates}), found ${source.documents}`
  );
}
