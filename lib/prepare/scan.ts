// The first pass over a corpus: how large every document is, which ones are kept, which characters they have. Nothing
// of the text itself is remembered, only 8 bytes per document, on disk (scan-record.ts). The second pass is encode.ts.

import { type CharacterCollector, charsFromText } from '../tokenizer/chars.ts';
import { readDocuments } from './documents.ts';
import type { FilteredDocument, NearDuplicate, NearDuplicateFilter } from './near-duplicates/filter.ts';
import { type FileSummary, ScanRecordWriter } from './scan-record.ts';

export interface ScanOptions {
  delimiter: string | undefined;
  /** Whether to collect the characters of the kept documents. */
  collectCharacters: boolean;
}

/** Told of every document that is dropped as a near-duplicate, with what it repeats. */
export type OnNearDuplicate = (document: NearDuplicate) => void | Promise<void>;

/** Drops near-duplicates, in files that are scanned one after the other. */
export interface Deduplication {
  /** Knows the documents of the files before. */
  filter: NearDuplicateFilter;
  onDropped: OnNearDuplicate;
}

/** Which file, and where its text is. */
export interface ScanSource {
  path: string;
  textColumn?: string | undefined;
}

/**
 * Scans one file and writes its record.
 * @param onRead told how many bytes were read, after every block.
 * @param deduplication without it no document is taken for a repetition.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the file cannot be read, is damaged or binary, or has a bad line or row.
 */
export async function scanFile(
  source: ScanSource,
  recordPath: string,
  options: ScanOptions,
  onRead: (nBytes: number) => void,
  deduplication?: Deduplication,
): Promise<FileSummary> {
  const record = await ScanRecordWriter.create(recordPath);
  try {
    const add = (nBytes: number, isKept: boolean) => record.add(nBytes, isKept);
    const summary = await scanDocuments(source, options, onRead, add, deduplication);
    await record.end(summary);
    return summary;
  } catch (error) {
    await record.abort();
    throw error;
  }
}

/** The same without a record: `onDocument` is told of the documents in order. */
export async function scanDocuments(
  { path, textColumn }: ScanSource,
  { collectCharacters, ...options }: ScanOptions,
  onRead: (nBytes: number) => void,
  onDocument: (nBytes: number, isKept: boolean) => void | Promise<void>,
  deduplication?: Deduplication,
): Promise<FileSummary> {
  const summary: FileSummary = {
    documents: 0,
    bytes: 0,
    keptDocuments: 0,
    empty: 0,
    nearDuplicates: 0,
    blankLines: 0,
    invalidUtf8: 0,
    codePoints: [],
    lacksFinalNewline: false,
  };
  const onInvalid = (count: number) => {
    summary.invalidUtf8 += count;
  };
  const onBlankLine = () => {
    summary.blankLines++;
  };
  const reading = { ...options, textColumn, onRead, onInvalid, onBlankLine };
  const characters = charsFromText();
  let document: ScannedDocument | undefined;
  for await (const { number, text, last } of readDocuments(path, reading)) {
    document ??= newDocument(deduplication?.filter.document({ file: path, number }));
    document.nBytes += Buffer.byteLength(text, 'utf8');
    document.isBlank &&= !/\P{White_Space}/u.test(text);
    document.endsWithNewline = text === '' ? document.endsWithNewline : text.endsWith('\n');
    document.filtered?.add(text);
    if (collectCharacters) document.characters.add(text);
    if (!last) continue;
    const repetition = document.isBlank ? undefined : document.filtered?.end();
    if (repetition) await deduplication?.onDropped(repetition);
    await onDocument(document.nBytes, judge(summary, characters, document, repetition !== undefined));
    document = undefined;
  }
  summary.codePoints = characters.codePoints();
  return summary;
}

type ScannedDocument = ReturnType<typeof newDocument>;

function newDocument(filtered: FilteredDocument | undefined) {
  return { nBytes: 0, isBlank: true, endsWithNewline: false, filtered, characters: charsFromText() };
}

/** Counts a document. @returns whether it is kept. */
function judge(
  summary: FileSummary,
  characters: CharacterCollector,
  document: ScannedDocument,
  isNearDuplicate: boolean,
): boolean {
  const isKept = !document.isBlank && !isNearDuplicate;
  summary.documents++;
  summary.bytes += document.nBytes;
  if (document.isBlank) summary.empty++;
  if (isNearDuplicate) summary.nearDuplicates++;
  if (!isKept) return false;
  summary.keptDocuments++;
  summary.lacksFinalNewline ||= !document.endsWithNewline;
  characters.merge(document.characters);
  return true;
}
