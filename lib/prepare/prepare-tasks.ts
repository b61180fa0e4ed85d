// The work of prepare that other threads can do: scanning files, encoding segments. A pool (task-pool.ts) runs it in
// worker threads (task-worker.ts) or, for small inputs, right here.

import type { TokenizerDescription } from '../tokenizer/description.ts';
import { createTokenizer } from '../tokenizer/open-tokenizer.ts';
import { type ScanOptions, type ScanSource, scanFile } from './scan.ts';
import type { FileSummary } from './scan-record.ts';
import { type EncodedSegments, encodeSegments, type Segment } from './segments.ts';

/** What a pool is for; the same for all its tasks. */
export type PoolSetup = { kind: 'scan'; options: ScanOptions } | { kind: 'encode'; tokenizer: TokenizerDescription };

export interface ScanTask extends ScanSource {
  /** Where the record is written. */
  recordPath: string;
}

/** Does one task; `onRead` is told of bytes read. */
export type Runner<Task, Result> = (task: Task, onRead: (nBytes: number) => void) => Promise<Result>;

/** A runner of the tasks that the setup is for: of ScanTask to FileSummary, or of Segment[] to EncodedSegments. */
export function createRunner(setup: PoolSetup): Runner<never, unknown> {
  return setup.kind === 'scan' ? scanRunner(setup.options) : encodeRunner(setup.tokenizer);
}

function scanRunner(options: ScanOptions): Runner<ScanTask, FileSummary> {
  return (task, onRead) => scanFile(task, task.recordPath, options, onRead);
}

function encodeRunner(description: TokenizerDescription): Runner<Segment[], EncodedSegments> {
  const tokenizer = createTokenizer(description);
  return async (segments) => encodeSegments(tokenizer, segments);
}
