// The documents of a file, for tests.

import { expect } from 'vitest';
import { type ReadDocumentsOptions, readDocuments } from '../../lib/prepare/documents.ts';

/** Each as one string, whatever the pieces it came in; the last one has to be complete. */
export async function documentsOf(path: string, options: ReadDocumentsOptions = {}): Promise<string[]> {
  const documents: string[] = [];
  let text = '';
  for await (const piece of readDocuments(path, options)) {
    text += piece.text;
    if (!piece.last) continue;
    documents.push(text);
    text = '';
  }
  expect(text).toBe('');
  return documents;
}
