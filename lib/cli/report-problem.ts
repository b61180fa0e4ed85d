// A report beside results that are there without it.

import { writeReport } from '../report/write-report.ts';

/**
 * Writes a report of runs.
 * @returns why it could not be written; undefined where it was.
 */
export async function problemOfReport(directories: readonly string[], file: string): Promise<string | undefined> {
  try {
    await writeReport(directories, file);
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n')[0];
  }
}
