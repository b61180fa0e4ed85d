// The first pass over a corpus: how large every document is, which ones are kept, which characters they have. Nothing
// of the text itself is remembered, only a few bytes per document. The second pass is write-splits.ts.

import { basename } from 'node:path';
import { type CharacterCollector, charsFromText } from '../tokenizer/chars.ts';
import { readDocuments } from './documents.ts';
import type { InputFile } from './input-files.ts';
import { NearDuplicateFilter } from './near-duplicates.ts';

export interface ScanOptions {
  delimiter: string | undefined;
  dropNearDuplicates: boolean;
  /** Whether to collect the characters of the kept documents. */
  collectCharacters: boolean;
  /** Told how many bytes were read, after every block. */
  onRead: (nBytes: number) => void;
}

/** Documents are numbered in the order of the files and of their places in them. */
export interface ScannedCorpus {
  /** UTF-8 bytes of every document, kept or not. */
  nBytes: number[];
  isKept: boolean[];
  /** Documents of white space only. */
  empty: number;
  nearDuplicates: number;
  invalidUtf8: number;
  /** Name of the first file with bytes that are not UTF-8. */
  firstInvalidFile: string | undefined;
  /** Characters of the kept documents. */
  characters: CharacterCollector;
  /** Whether some kept document does not end with a newline. */
  lacksFinalNewline: boolean;
}

/** @throws {BurgeonError} ERR_BURGEON_DATA when a file cannot be read, is binary, or has a bad line. */
export async function scanDocuments(files: readonly InputFile[], options: ScanOptions): Promise<ScannedCorpus> {
  const corpus: ScannedCorpus = {
    nBytes: [],
    isKept: [],
    empty: 0,
    nearDuplicates: 0,
    invalidUtf8: 0,
    firstInvalidFile: undefined,
    characters: charsFromText(),
    lacksFinalNewline: false,
  };
  const filter = options.dropNearDuplicates ? new NearDuplicateFilter() : undefined;

  for (const { path } of files) {
    let document = newDocument(filter);
    const pieces = readDocuments(path, {
      delimiter: options.delimiter,
      onRead: options.onRead,
      onInvalid(count) {
        corpus.invalidUtf8 += count;
        corpus.firstInvalidFile ??= basename(path);
      },
    });
    for await (const { text, last } of pieces) {
      document.nBytes += Buffer.byteLength(text, 'utf8');
      document.isBlank &&= !/\P{White_Space}/u.test(text);
      document.endsWithNewline = text === '' ? document.endsWithNewline : text.endsWith('\n');
      document.filtered?.add(text);
      if (options.collectCharacters) document.characters.add(text);
      if (!last) continue;
      judge(corpus, document);
      document = newDocument(filter);
    }
  }
  return corpus;
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

function judge(corpus: ScannedCorpus, document: ScannedDocument): void {
  const isNearDuplicate = !document.isBlank && (document.filtered?.isNearDuplicate() ?? false);
  const isKept = !document.isBlank && !isNearDuplicate;
  corpus.nBytes.push(document.nBytes);
  corpus.isKept.push(isKept);
  if (document.isBlank) corpus.empty++;
  if (isNearDuplicate) corpus.nearDuplicates++;
  if (!isKept) return;
  corpus.characters.merge(document.characters);
  corpus.lacksFinalNewline ||= !document.endsWithNewline;
}
