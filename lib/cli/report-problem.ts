// A report beside results that are there without it.

import { writeReport } from '../report/write-report.ts';
import { sayNote } from './say-note.ts';

/**
 * Writes a report of runs.
 * @returns why it could not be written; undefined where it was.
 */
export async function problemOfReport(
  directories: readonly string[],
  file: string,
  onNote: (note: string) => void = sayNote,
): Promise<string | undefined> {
  try {
    await writeReport(directories, file, { onNote });
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n')[0];
  }
}
