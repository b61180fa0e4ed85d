// The first pass over all files, several at a time. Records of files that an interrupted run has finished are used again.

import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ScannedFile } from './corpus.ts';
import { extensionsOf } from './file-blocks.ts';
import type { InputFile } from './input-files.ts';
import { NearDuplicateFilter } from './near-duplicates/filter.ts';
import { NearDuplicateListWriter } from './near-duplicates/list.ts';
import type { ScanTask } from './prepare-tasks.ts';
import { type ScanOptions, scanFile } from './scan.ts';
import { type FileSummary, readSummary } from './scan-record.ts';
import { TaskPool } from './task-pool.ts';

export interface ScanCorpusOptions extends ScanOptions {
  /** Where to list near-duplicates, which are dropped; undefined to keep them. */
  nearDuplicateList: string | undefined;
  /** An existing directory for the records. */
  directory: string;
  /** Threads; 0 for none beside this one. */
  workers: number;
  /** Told how many bytes were read, and of files that need not be read again. May throw, which ends the scan. */
  onRead: (nBytes: number) => void;
}

type Scan = (task: ScanTask, onRead: (nBytes: number) => void) => Promise<FileSummary>;

/** @throws {BurgeonError} ERR_BURGEON_DATA of the first file, in their order, that cannot be used. */
export async function scanCorpus(files: readonly InputFile[], options: ScanCorpusOptions): Promise<ScannedFile[]> {
  const { nearDuplicateList, directory, workers, onRead, ...scanOptions } = options;
  const tasks = files.map(({ path, textColumn }, index) => ({
    path,
    textColumn,
    recordPath: join(directory, String(index).padStart(6, '0')),
  }));
  const scanned: ScannedFile[] = [];
  const scanOne = async (index: number, scan: Scan) => {
    const [file, task] = [files[index]!, tasks[index]!];
    const known = await readSummary(task.recordPath);
    if (known) onRead(file.nBytes);
    scanned[index] = { ...file, recordPath: task.recordPath, summary: known ?? (await scan(task, onRead)) };
  };

  // Which documents are repetitions depends on all before, which no record holds, and the list is that of one scan: an
  // interrupted one is begun again, and after a complete one every record is known below.
  if (nearDuplicateList !== undefined && !(await isScanned(tasks, nearDuplicateList))) {
    await scanInOrder(tasks, nearDuplicateList, scanOne, scanOptions);
    return scanned;
  }
  const pool = new TaskPool<ScanTask, FileSummary>(workers, { kind: 'scan', options: scanOptions });
  try {
    const scan = oneParquetAtATime(pool);
    await inLanes(files.length, Math.max(1, workers), (index) => scanOne(index, scan));
    return scanned;
  } finally {
    await pool.close();
  }
}

/** Scans one file after the other, as if none had been scanned, and lists what is dropped. The list gets its name last. */
async function scanInOrder(
  tasks: readonly ScanTask[],
  listPath: string,
  scanOne: (index: number, scan: Scan) => Promise<void>,
  options: ScanOptions,
): Promise<void> {
  for (const path of [listPath, ...tasks.map(({ recordPath }) => recordPath)]) await rm(path, { force: true });
  const list = await NearDuplicateListWriter.create(listPath);
  const filter = new NearDuplicateFilter();
  const scan: Scan = (task, onRead) =>
    scanFile(task, task.recordPath, options, onRead, { filter, onDropped: (document) => list.add(document) });
  try {
    for (const index of tasks.keys()) await scanOne(index, scan);
    await list.end();
  } catch (error) {
    await list.abort();
    throw error;
  }
}

async function isScanned(tasks: readonly ScanTask[], listPath: string): Promise<boolean> {
  if (!existsSync(listPath)) return false;
  for (const { recordPath } of tasks) if ((await readSummary(recordPath)) === undefined) return false;
  return true;
}

/** Does 0, ..., n - 1, several at a time; stops at a failure and throws the one of the lowest number. */
async function inLanes(n: number, lanes: number, action: (index: number) => Promise<void>): Promise<void> {
  const failures = new Map<number, unknown>();
  let next = 0;
  const lane = async () => {
    while (next < n && failures.size === 0) {
      const index = next++;
      // Everything below is done or under way, so the lowest failure is the same for any number of lanes.
      await action(index).catch((error) => failures.set(index, error));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  if (failures.size > 0) throw failures.get(Math.min(...failures.keys()));
}

/** A row group may be large, and only one of them is to be in memory. */
function oneParquetAtATime(pool: TaskPool<ScanTask, FileSummary>): Scan {
  let turn: Promise<unknown> = Promise.resolve();
  return (task, onRead) => {
    if (extensionsOf(task.path)[0] !== '.parquet') return pool.run(task, onRead);
    const scan = turn.then(() => pool.run(task, onRead));
    turn = scan.catch(() => {});
    return scan;
  };
}
