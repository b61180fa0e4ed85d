// One side of a comparison, in a process of its own, speaking JSON lines: a message on its stdin, one answer on its
// stdout. `respond.ts` and `respond.py` are the other end. An answer {"error"} and the end of the process reject with a
// reason to print; nothing here brings the comparison down.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';

/** How to start one. */
export interface ContenderCommand {
  name: string;
  command: string;
  args: readonly string[];
  /** Added to the environment. */
  env?: Record<string, string>;
}

/** Settings of a shell that would change what is measured: every contender runs with its own choices. */
const ignoredSettings =
  /^(OMP|GOMP|KMP|MKL|OPENBLAS|GOTO|BLIS|DNNL|ONEDNN|ATEN|TORCH|TORCHINDUCTOR|MALLOC|THP)_|^(GLIBC_TUNABLES|LD_PRELOAD|PYTHONPATH)$/;

export class Contender {
  readonly name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  #pending: { resolve: (answer: unknown) => void; reject: (reason: Error) => void } | undefined;
  #failure: Error | undefined;
  #complaints = '';

  constructor({ name, command, args, env }: ContenderCommand) {
    this.name = name;
    const inherited = Object.entries(process.env).filter(([key]) => !ignoredSettings.test(key));
    this.#child = spawn(command, args, { env: { ...Object.fromEntries(inherited), ...env } });
    createInterface(this.#child.stdout).on('line', (line) => this.#answer(line));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints = (this.#complaints + text).slice(-2000);
    });
    this.#child.stdin.on('error', () => {}); // the process has ended, which 'close' reports
    this.#child.on('error', (error) => this.#fail(error.message));
    this.#child.on('close', (code, signal) => {
      const lastLine = this.#complaints.trim().split('\n').at(-1) ?? '';
      this.#fail(`ended with ${signal ?? `code ${code}`}${lastLine && `: ${lastLine}`}`);
    });
  }

  /** One message, one answer. */
  ask<Answer>(message: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#pending = { resolve: resolve as (answer: unknown) => void, reject };
      this.#child.stdin.write(`${JSON.stringify(message)}\n`);
    });
  }

  /** Asks it to end, and resolves when it has: its memory is free then. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined) return;
    const closed = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin.end('{"end":true}\n');
    await closed;
  }

  #answer(line: string): void {
    const pending = this.#pending;
    this.#pending = undefined;
    try {
      const answer = JSON.parse(line);
      if (typeof answer.error === 'string') pending?.reject(new Error(answer.error));
      else pending?.resolve(answer);
    } catch {
      pending?.reject(new Error(`answered ${line.slice(0, 200)}`));
    }
  }

  #fail(reason: string): void {
    this.#failure ??= new Error(reason);
    this.#pending?.reject(this.#failure);
    this.#pending = undefined;
  }
}

/** A program of this folder, run by this Node. */
export function nodeContender(name: string, file: string, ...args: string[]): ContenderCommand {
  return { name, command: process.execPath, args: ['--import', import.meta.resolve('tsx'), beside(file), ...args] };
}

/** A file of this folder. */
export function beside(file: string): string {
  return path.join(import.meta.dirname, file);
}
