// Signals that end a process. Those of people and of the system (Ctrl-C, Ctrl-\\, SIGTERM, and SIGHUP of a terminal that is closed): the
// first asks to stop in an orderly way, the second stops at once. Those with which batch systems and limits warn of an end that is
// near ask for the same, however often they come. Commands that leave nothing behind do not listen, and end at the first. A
// reader of our output that went away (`burgeon sample ... | head`) asks for the same, quietly: there is nobody left to write to.
// Output that cannot be written for another reason (a full disk) is lost; the work goes on. docs/reliability.md lists them all.
// A rank that `burgeon train --ranks` started hears of a stop from its launcher, and perhaps once more from a batch system that tells
// all processes: there the launcher alone ends at once what is asked twice.

import { constants } from 'node:os';
import { launcherVariable } from '../ranks/environment.ts';

/** A second one of them ends the process at once. */
const requests = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
/** SIGXCPU comes every second from then on; SIGUSR1 and SIGUSR2 are what Slurm and LSF are told to send some time before they kill. */
const warnings = ['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGXCPU', 'SIGPWR'] as const;
type Request = (typeof requests)[number];
type SignalName = Request | (typeof warnings)[number];

/** As a shell has it of a process that a signal ended. Not every system has every signal. */
const exitCodeOf = (name: NodeJS.Signals) => 128 + (constants.signals[name] ?? constants.signals.SIGTERM);

/** The work that is to be stopped in an orderly way, if there is any. */
let running: AbortController | undefined;

export interface Interrupt {
  signal: AbortSignal;
  /** The exit code of work that was stopped before its end, as by `unasked` (SIGINT) where no signal came. */
  exitCode(unasked?: NodeJS.Signals): number;
  /** The first signal. */
  by(): NodeJS.Signals;
  /** Call when the work is done. */
  release(): void;
}

/**
 * Aborts the returned signal at the first of those signals; `onFirst` may say so. Where no output is a terminal, SIGHUP is
 * that of one the process does not need, as under nohup, and means nothing: Node hides whether it was to be ignored.
 */
export function interruptSignal(onFirst: () => void): Interrupt {
  const controller = new AbortController();
  const hasLauncher = process.env[launcherVariable] === 'burgeon';
  let first: SignalName | undefined;
  let isRequested = false;
  const stop = (name: SignalName) => {
    first ??= name;
    controller.abort();
    onFirst();
  };
  const onWarning = (name: SignalName) => {
    if (!controller.signal.aborted) stop(name);
  };
  const onRequest = (name: Request) => {
    if (name === 'SIGHUP') {
      if (!hasLauncher && !process.stdout.isTTY && !process.stderr.isTTY) return;
      // Node aborts when it cannot reset a terminal that is gone.
      endBySignal(name);
    }
    // A terminal that is closed sends SIGHUP, and so does its shell.
    if (isRequested && name !== 'SIGHUP' && !hasLauncher) {
      endBySignal(name);
      process.exit(exitCodeOf(name));
    }
    if (!isRequested) stop(name);
    isRequested = true;
  };
  running = controller;
  for (const name of requests) process.on(name, onRequest);
  for (const name of warnings) process.on(name, onWarning);
  return {
    signal: controller.signal,
    exitCode: (unasked = 'SIGINT') => exitCodeOf(first ?? unasked),
    by: () => first ?? 'SIGINT',
    release() {
      running = undefined;
      for (const name of requests) process.off(name, onRequest);
      for (const name of warnings) process.off(name, onWarning);
    },
  };
}

/**
 * Does work that the first signal stops; `onFirst` may say so.
 * @returns undefined where it was stopped, that is, where it rejected with the reason of the signal; the exit code then tells.
 */
export async function interruptible<Result>(
  onFirst: () => void,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result | undefined> {
  const interrupt = interruptSignal(onFirst);
  try {
    return await work(interrupt.signal);
  } catch (error) {
    if (!interrupt.signal.aborted || error !== interrupt.signal.reason) throw error;
    process.exitCode = interrupt.exitCode();
    return undefined;
  } finally {
    interrupt.release();
  }
}

let endingSignal: Request | undefined;

/** Whenever the process exits, it is by this signal: process.exit() alone waits for what native code is computing. */
function endBySignal(name: Request): void {
  if (endingSignal === undefined) {
    process.on('exit', () => {
      process.removeAllListeners(endingSignal!);
      process.kill(process.pid, endingSignal!);
    });
  }
  endingSignal = name;
}

/** The first process of a container dies of no signal that it does not listen to: commands that stop at once do, then. */
export function listenAsFirstProcess(): void {
  if (process.pid !== 1) return;
  for (const name of ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const) {
    process.on(name, () => {
      if (running === undefined) process.exit(exitCodeOf(name));
    });
  }
}

/**
 * Ends the process quietly, or lets the work in progress do so, once the reader of standard output or error is gone. Says once
 * when they cannot be written; what was to be printed to standard output is then missing, which the exit code tells.
 */
export function surviveLostOutput(): void {
  for (const [stream, other] of [
    [process.stdout, process.stderr],
    [process.stderr, undefined],
  ] as const) {
    let isLost = false;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') {
        if (running === undefined) process.exit();
        running.abort();
        return;
      }
      if (isLost) return;
      isLost = true;
      other?.write(`burgeon: standard output cannot be written (${error.message}); going on without it\n`);
      if (stream === process.stdout) process.on('exit', () => (process.exitCode ||= 1));
    });
  }
}
