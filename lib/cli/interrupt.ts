// Ctrl-C, SIGTERM and a terminal that is closed (SIGHUP): the first asks to stop in an orderly way, the second stops at once. A
// reader of our output that went away (`burgeon sample ... | head`) asks for the same, quietly: there is nobody left to write to.
// Output that cannot be written for another reason (a full disk) is lost; the work goes on.

const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
const signals = Object.keys(exitCodes) as (keyof typeof exitCodes)[];

/** The work that is to be stopped in an orderly way, if there is any. */
let running: AbortController | undefined;

export interface Interrupt {
  signal: AbortSignal;
  /** The exit code of work that was stopped before its end. */
  exitCode(): number;
  /** Call when the work is done. */
  release(): void;
}

/**
 * Aborts the returned signal at the first SIGINT, SIGTERM or SIGHUP; `onFirst` may say so. Where no output is a terminal, SIGHUP is
 * that of one the process does not need, as under nohup, and means nothing: Node hides whether it was to be ignored.
 */
export function interruptSignal(onFirst: () => void): Interrupt {
  const controller = new AbortController();
  let exitCode = exitCodes.SIGINT;
  const handle = (name: keyof typeof exitCodes) => {
    if (name === 'SIGHUP') {
      if (!process.stdout.isTTY && !process.stderr.isTTY) return;
      endBySignal();
    }
    if (controller.signal.aborted) process.exit(exitCodes[name]);
    exitCode = exitCodes[name];
    controller.abort();
    onFirst();
  };
  running = controller;
  for (const name of signals) process.on(name, handle);
  return {
    signal: controller.signal,
    exitCode: () => exitCode,
    release() {
      running = undefined;
      for (const name of signals) process.off(name, handle);
    },
  };
}

let endsBySignal = false;

/** Node aborts when it cannot reset a terminal that is gone, so the process ends by the signal itself. */
function endBySignal(): void {
  if (endsBySignal) return;
  endsBySignal = true;
  process.on('exit', () => {
    process.removeAllListeners('SIGHUP');
    process.kill(process.pid, 'SIGHUP');
  });
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
