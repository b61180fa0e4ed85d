// The side of task-pool.ts that runs in a worker thread.

import { types } from 'node:util';
import { parentPort, workerData } from 'node:worker_threads';
import { BurgeonError } from '../errors.ts';
import { createRunner, type Runner } from './prepare-tasks.ts';
import type { WorkerMessage } from './task-pool.ts';

const port = parentPort!;
let run: Runner<unknown, unknown> | undefined;

port.on('message', async (task: unknown) => {
  try {
    run ??= createRunner(workerData) as Runner<unknown, unknown>;
    const result = await run(task, (nBytes) => post({ nBytes }));
    post({ result }, arraysOf(result));
  } catch (cause) {
    const { message, stack } = cause as Error;
    post({ error: { code: cause instanceof BurgeonError ? cause.code : undefined, message, stack } });
  }
});

function post(message: WorkerMessage, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

/** Memory that can change hands instead of being copied. */
function arraysOf(result: unknown): ArrayBuffer[] {
  return Object.values(result as object).flatMap((value) =>
    types.isInt32Array(value) ? [value.buffer as ArrayBuffer] : [],
  );
}
