// Worker threads that do tasks of prepare, each in the order given; or no thread at all, and the tasks are done here.
// What the tasks are is prepare-tasks.ts.

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { BurgeonError, type BurgeonErrorCode } from '../errors.ts';
import { createRunner, type PoolSetup, type Runner } from './prepare-tasks.ts';

/** From a worker: bytes read by the task at hand, or its end. */
export type WorkerMessage = { nBytes: number } | { result: unknown } | { error: PlainError };

/** An error that can be sent: its class would get lost. */
export interface PlainError {
  code: BurgeonErrorCode | undefined;
  message: string;
  stack: string | undefined;
}

interface PendingTask<Task, Result> {
  task: Task;
  onRead: (nBytes: number) => void;
  resolve: (result: Result) => void;
  reject: (error: Error) => void;
}

export class TaskPool<Task, Result> {
  #workers: Worker[] = [];
  #idle: Worker[] = [];
  readonly #waiting: PendingTask<Task, Result>[] = [];
  readonly #running = new Map<Worker, PendingTask<Task, Result>>();
  readonly #runHere: Runner<Task, Result> | undefined;

  /** @param workers number of threads; 0 does every task in the calling one. */
  constructor(workers: number, setup: PoolSetup) {
    if (workers === 0) this.#runHere = createRunner(setup) as Runner<Task, Result>;
    for (let i = 0; i < workers; i++) this.#start(setup);
  }

  /** Does a task. Rejects with what it threw. */
  run(task: Task, onRead: (nBytes: number) => void = () => {}): Promise<Result> {
    if (this.#runHere) return this.#runHere(task, onRead);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ task, onRead, resolve, reject });
      this.#next();
    });
  }

  /** Ends the threads, whatever they are doing. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.removeAllListeners().terminate()));
  }

  #start(setup: PoolSetup): void {
    // The compiled file beside the compiled this, the source beside the source.
    const url = new URL(`task-worker${extname(import.meta.url)}`, import.meta.url);
    const worker = new Worker(url, { workerData: setup, resourceLimits: { maxYoungGenerationSizeMb: 6 } });
    worker.on('message', (message: WorkerMessage) => this.#receive(worker, message));
    worker.on('error', (error) => this.#fail(worker, error));
    worker.on('exit', () => this.#fail(worker, new Error('a worker thread of prepare ended unexpectedly')));
    this.#workers.push(worker);
    this.#idle.push(worker);
  }

  #next(): void {
    while (this.#idle.length > 0 && this.#waiting.length > 0) {
      const worker = this.#idle.pop()!;
      const pending = this.#waiting.shift()!;
      this.#running.set(worker, pending);
      worker.postMessage(pending.task);
    }
  }

  #receive(worker: Worker, message: WorkerMessage): void {
    const pending = this.#running.get(worker);
    if (!pending) return;
    if ('nBytes' in message) {
      try {
        pending.onRead(message.nBytes);
      } catch (error) {
        // The caller wants no more of it; the pool will be closed.
        this.#running.delete(worker);
        pending.reject(error as Error);
      }
      return;
    }
    this.#running.delete(worker);
    this.#idle.push(worker);
    if ('result' in message) pending.resolve(message.result as Result);
    else pending.reject(toError(message.error));
    this.#next();
  }

  /** A thread that died takes its task with it; tasks that wait may be left without any thread. */
  #fail(worker: Worker, error: Error): void {
    const pending = this.#running.get(worker);
    this.#running.delete(worker);
    this.#workers = this.#workers.filter((other) => other !== worker);
    this.#idle = this.#idle.filter((other) => other !== worker);
    pending?.reject(error);
    if (this.#workers.length === 0) for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

function toError({ code, message, stack }: PlainError): Error {
  if (code !== undefined) return new BurgeonError(code, message);
  return Object.assign(new Error(message), { stack });
}
