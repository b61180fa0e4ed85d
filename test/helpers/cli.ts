// Runs the compiled burgeon command as a child process, as a user would. test/global-setup.ts keeps the build current.

import { spawn } from 'node:child_process';
import path from 'node:path';

const root = path.dirname(path.dirname(import.meta.dirname));
export const main = path.join(root, 'dist', 'cli', 'main.js');

export interface CommandResult {
  /** Exit code; null when a signal ended the process. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** What it reads from standard input, which is empty otherwise. */
  stdin?: string | Uint8Array;
  /** Signals that the process receives, each right after it has written `after` for the first time. */
  signals?: SignalAfter[];
  /** Kills the process so many milliseconds after its first output. */
  killAfterMs?: number;
  /** Reads no more than the first piece of standard output and closes it, as `head` does. */
  closesStdout?: boolean;
}

export interface SignalAfter {
  name: NodeJS.Signals;
  /** Absent: as soon as the process listens to this signal. */
  after?: string;
  /** So many milliseconds later. */
  delayMs?: number;
}

/** Runs `burgeon <args>` to its end. */
export function burgeon(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return runNode([...(options.signals ?? []).flatMap(signalingItself), main, ...args], options);
}

/** Runs `node <args>` in the root of the repository, or elsewhere. */
export function runNode(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  // A terminal that the tests run in has no say in what is printed.
  const { NO_COLOR: _, FORCE_COLOR: __, ...inherited } = process.env;
  const child = spawn(process.execPath, args, {
    cwd: options.cwd ?? root,
    // One thread, as several of these processes may run at once.
    env: { ...inherited, BURGEON_THREADS: '1', ...options.env },
    stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.end(options.stdin);
  let stdout = '';
  let stderr = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (options.closesStdout) child.stdout!.destroy();
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  if (options.killAfterMs !== undefined) {
    const kill = () => setTimeout(() => child.kill('SIGKILL'), options.killAfterMs);
    for (const stream of [child.stdout!, child.stderr!]) stream.once('data', kill);
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** Objects of the lines of a text. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/**
 * Options of node that make a process send itself a signal. Sent from within, it comes at the same point every time, with
 * no race between this process and that one.
 */
function signalingItself({ name, after, delayMs = 0 }: SignalAfter): string[] {
  const send = `process.kill(process.pid, ${JSON.stringify(name)})`;
  const sendLater = delayMs > 0 ? `setTimeout(() => ${send}, ${delayMs})` : send;
  if (after === undefined) {
    const code = `process.on('newListener', (event) => {
      if (event === ${JSON.stringify(name)}) setImmediate(() => { ${sendLater}; });
    });`;
    return ['--import', `data:text/javascript,${encodeURIComponent(code)}`];
  }
  const code = `
    let isSent = false;
    for (const stream of [process.stdout, process.stderr]) {
      const write = stream.write;
      stream.write = function (text, ...rest) {
        const result = write.call(this, text, ...rest);
        if (!isSent && String(text).includes(${JSON.stringify(after)})) {
          isSent = true;
          ${sendLater};
        }
        return result;
      };
    }`;
  return ['--import', `data:text/javascript,${encodeURIComponent(code)}`];
}
