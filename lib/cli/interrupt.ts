// Ctrl-C and SIGTERM: the first asks to stop in an orderly way, the second stops at once. A reader of our output that
// went away (`burgeon sample ... | head`) asks for the same, quietly: there is nobody left to write to.

const exitCodes = { SIGINT: 130, SIGTERM: 143 };

/** The work that is to be stopped in an orderly way, if there is any. */
let running: AbortController | undefined;

export interface Interrupt {
  signal: AbortSignal;
  /** The exit code of work that was stopped before its end. */
  exitCode(): number;
  /** Call when the work is done. */
  release(): void;
}

/** Aborts the returned signal at the first SIGINT or SIGTERM; `onFirst` may say so. */
export function interruptSignal(onFirst: () => void): Interrupt {
  const controller = new AbortController();
  let exitCode = exitCodes.SIGINT;
  const handle = (name: keyof typeof exitCodes) => {
    if (controller.signal.aborted) process.exit(exitCodes[name]);
    exitCode = exitCodes[name];
    controller.abort();
    onFirst();
  };
  running = controller;
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  return {
    signal: controller.signal,
    exitCode: () => exitCode,
    release() {
      running = undefined;
      process.off('SIGINT', handle);
      process.off('SIGTERM', handle);
    },
  };
}

/** Ends the process quietly, or lets the work in progress do so, once the reader of standard output or error is gone. */
export function stopWithoutReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      if (running === undefined) process.exit();
      running.abort();
    });
  }
}
