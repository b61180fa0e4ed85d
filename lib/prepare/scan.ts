// The first pass over a corpus: how large every document is, which ones are kept, which characters they have. Nothing
// of the text itself is remembered, only 8 bytes per document, on disk (scan-record.ts). The second pass is encode.ts.

import { type CharacterCollector, charsFromText } from '../tokenizer/chars.ts';
import { readDocuments } from './documents.ts';
import type { NearDuplicateFilter } from './near-duplicates.ts';
import { type FileSummary, ScanRecordWriter } from './scan-record.ts';

export interface ScanOptions {
  delimiter: string | undefined;
  textColumn: string | undefined;
  /** Whether to collect the characters of the kept documents. */
  collectCharacters: boolean;
}

/**
 * Scans one file and writes its record.
 * @param onRead told how many bytes were read, after every block.
 * @param filter knows the documents of the files before; without it none is taken for a repetition.
 * @throws {BurgeonError} ERR_BURGEON_DATA when the file cannot be read, is damaged or binary, or has a bad line or row.
 */
export async function scanFile(
  path: string,
  recordPath: string,
  { collectCharacters, ...options }: ScanOptions,
  onRead: (nBytes: number) => void,
  filter?: NearDuplicateFilter,
): Promise<FileSummary> {
  const summary: FileSummary = {
    documents: 0,
    bytes: 0,
    keptDocuments: 0,
    empty: 0,
    nearDuplicates: 0,
    invalidUtf8: 0,
    codePoints: [],
    lacksFinalNewline: false,
  };
  const characters = charsFromText();
  const record = await ScanRecordWriter.create(recordPath);
  try {
    const onInvalid = (count: number) => {
      summary.invalidUtf8 += count;
    };
    let document = newDocument(filter);
    for await (const { text, last } of readDocuments(path, { ...options, onRead, onInvalid })) {
      document.nBytes += Buffer.byteLength(text, 'utf8');
      document.isBlank &&= !/\P{White_Space}/u.test(text);
      document.endsWithNewline = text === '' ? document.endsWithNewline : text.endsWith('\n');
      document.filtered?.add(text);
      if (collectCharacters) document.characters.add(text);
      if (!last) continue;
      await record.add(document.nBytes, judge(summary, characters, document));
      document = newDocument(filter);
    }
    summary.codePoints = characters.codePoints();
    await record.end(summary);
    return summary;
  } catch (error) {
    await record.abort();
    throw error;
  }
}

type ScannedDocument = ReturnType<typeof newDocument>;

function newDocument(filter: NearDuplicateFilter | undefined) {
  return {
    nBytes: 0,
    isBlank: true,
    endsWithNewline: false,
    filtered: filter?.document(),
    characters: charsFromText(),
  };
}

/** @returns whether the document is kept. */
function judge(summary: FileSummary, characters: CharacterCollector, document: ScannedDocument): boolean {
  const isNearDuplicate = !document.isBlank && (document.filtered?.isNearDuplicate() ?? false);
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
