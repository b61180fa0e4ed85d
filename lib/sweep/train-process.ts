// One run as a process of its own: `burgeon train` as anybody would start it, with a line of JSON per step to follow it by.
// The lines are also what ends it in an orderly way when the sweep is killed: nobody reads them any more, and `train`
// stops with a checkpoint.

import { type ChildProcess, spawn } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** The command, from lib/ and dist/ alike. */
const main = fileURLToPath(new URL(`../cli/main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url));

/** How a process ended. */
export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** What it said on standard error, its end. */
  errors: string;
}

/** Of what it says on standard error, so many characters are kept. */
const keptErrors = 4000;

export class TrainProcess {
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  /** The beginning of a line that is not whole yet, and the newest that is. */
  #tail = '';
  #line = '';

  /** @param threads where the configuration does not say. */
  constructor(configFile: string, start: 'auto' | 'overwrite', threads: number) {
    const option = start === 'auto' ? '--auto-resume' : '--overwrite';
    // Its own process group: a Ctrl-C in the terminal reaches the sweep only, which passes it on once.
    this.#child = spawn(process.execPath, [...process.execArgv, main, 'train', configFile, '--json', option], {
      detached: true,
      env: { ...process.env, BURGEON_THREADS: String(threads) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let errors = '';
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => this.#read(text));
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-keptErrors);
    });
    this.ended = new Promise((resolve) => {
      this.#child.on('error', (error) => resolve({ code: null, signal: null, errors: error.message }));
      this.#child.on('close', (code, signal) => resolve({ code, signal, errors }));
    });
  }

  /** The newest step it has told of. */
  get latest(): { step: number; loss: number } | undefined {
    return this.#line === '' ? undefined : JSON.parse(this.#line);
  }

  /** Asks it to stop after its step, with a checkpoint. */
  stop(): void {
    this.#child.kill('SIGTERM');
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #read(text: string): void {
    const lines = (this.#tail + text).split('\n');
    this.#tail = lines.pop()!;
    // The last line of all is the summary.
    this.#line = lines.findLast((line) => line.startsWith('{"step":')) ?? this.#line;
  }
}
