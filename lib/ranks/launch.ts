// Starts a command as N ranks on this host and looks after them until the last has ended: what they say, the signals that ask them to
// stop, what becomes of the others when one fails. Each rank has a process group of its own, so that a Ctrl-C in the terminal
// reaches the launcher alone, which passes it on once. Should the launcher be killed, the ranks see their channel to it close
// (end-with-launcher.ts).

import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import process from 'node:process';
import { duration } from '../format.ts';
import { launcherVariable } from './environment.ts';
import { freePort } from './free-port.ts';
import { tagLines } from './tagged-lines.ts';
import { threadsOfRank } from './threads.ts';
import { graceMs } from './waits.ts';

export interface LaunchOptions {
  /** At least 2. */
  ranks: number;
  /** Program and arguments, the same for every rank. */
  command: readonly [string, ...string[]];
  /** As often all ranks are started again, where one was lost. Default 0. */
  restarts?: number | undefined;
  /** Program and arguments then. Default: as the first time. */
  commandAgain?: readonly [string, ...string[]] | undefined;
  /** With how many to go on, fewer than these, where the same rank was lost twice running; undefined: with all of them. */
  fewer?: ((ranks: number) => number | undefined) | undefined;
  /** Asks all ranks to stop in an orderly way, by the signal of that name. */
  stop: AbortSignal;
  stopSignal: () => NodeJS.Signals;
  /** What the ranks but the first say, and what becomes of them; default: written to standard error. */
  write?: ((text: string) => void) | undefined;
  /** Default: as waits.ts has it. */
  graceMs?: number | undefined;
}

/** @returns the exit status of the rank that failed first, else of rank 0; 128 + n for one that signal n ended. */
export async function launchRanks(options: LaunchOptions): Promise<number> {
  const { restarts = 0, commandAgain = options.command, stop, write = writeAboveProgress } = options;
  let { ranks, command } = options;
  let lostBefore: number | undefined;
  for (let restart = 1; ; restart++) {
    const { status, lost } = await new RankGroup({ ...options, ranks, command, write }, await freePort()).ended();
    if (lost === undefined || restart > restarts || stop.aborted) return status;
    // What ends one rank again and again, a device or the lack of memory, would do so for ever.
    const fewer = lost === lostBefore ? options.fewer?.(ranks) : undefined;
    const how = fewer === undefined ? `: starting all ${ranks} again` : ` twice: starting ${fewer} of ${ranks} again`;
    write(`rank ${lost} was lost${how} from the newest checkpoint (restart ${restart} of ${restarts})\n`);
    lostBefore = fewer === undefined ? lost : undefined;
    ranks = fewer ?? ranks;
    command = commandAgain;
  }
}

/** Signals that ask a process to stop: one that does so in an orderly way exits with 128 and the number, and has not failed. */
const stopSignals = [
  ...(['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'] as const),
  ...(['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGXCPU', 'SIGPWR'] as const),
];
const endsWell = new Set([0, ...stopSignals.map((name) => 128 + (constants.signals[name] ?? Number.NaN))]);

interface GroupOptions extends LaunchOptions {
  write: (text: string) => void;
}

class RankGroup {
  readonly #running = new Map<number, ChildProcess>();
  readonly #endings: Promise<void>[];
  readonly #write: (text: string) => void;
  readonly #graceMs: number;
  /** Of the first rank that failed. */
  #failed: number | undefined;
  #statusOfFirst: number | undefined;
  /** The first rank that a signal ended which nobody asked for, or that had to be killed, before rank 0 had done its work. */
  #lost: number | undefined;
  /** The signal that all were asked to stop by. */
  #asked: NodeJS.Signals | undefined;
  #killing: NodeJS.Timeout | undefined;

  constructor({ ranks, command, stop, stopSignal, ...rest }: GroupOptions, port: number) {
    this.#write = rest.write;
    this.#graceMs = rest.graceMs ?? graceMs();
    const onStop = () => {
      this.#asked = stopSignal();
      this.#signal(this.#asked);
    };
    // Of process.exit() at a second Ctrl-C too.
    const onExit = () => this.#signal('SIGKILL');
    process.on('exit', onExit);
    stop.addEventListener('abort', onStop, { once: true });
    const letGo = this.#followTerminal();
    this.#endings = Array.from({ length: ranks }, (_, rank) => this.#start(rank, ranks, command, port));
    if (stop.aborted) onStop();
    this.#endings.push(
      Promise.all(this.#endings).then(() => {
        process.off('exit', onExit);
        stop.removeEventListener('abort', onStop);
        letGo();
      }),
    );
  }

  /** When all have. */
  async ended(): Promise<{ status: number; lost: number | undefined }> {
    await Promise.all(this.#endings);
    return { status: this.#failed ?? this.#statusOfFirst ?? 0, lost: this.#lost };
  }

  /** @returns when the process has ended and all that it said is passed on. */
  #start(rank: number, size: number, [program, ...args]: readonly string[], port: number): Promise<void> {
    // Rank 0 writes where the launcher does. Nobody reads standard input: a process group in the background may not.
    const output = rank === 0 ? 'inherit' : 'pipe';
    const child = spawn(program!, args, {
      detached: true,
      env: { ...process.env, ...variablesOf(rank, size, port) },
      stdio: ['ignore', output, output, 'ipc'],
    });
    this.#running.set(rank, child);
    for (const stream of [child.stdout, child.stderr]) if (stream) tagLines(stream, `[rank ${rank}] `, this.#write);
    return new Promise((resolve) => {
      child.on('error', (error) => {
        if (child.pid !== undefined) return;
        this.#onEnd(rank, 1, true, `could not be started: ${error.message}`);
        resolve();
      });
      child.on('exit', (code, signal) => {
        if (signal === null) this.#onEnd(rank, code!, !endsWell.has(code!), `ended with exit status ${code}`);
        else {
          const isLost = signal !== this.#asked;
          if (isLost && this.#statusOfFirst !== 0) this.#lost ??= rank;
          this.#onEnd(rank, 128 + constants.signals[signal], isLost, `was ended by ${signal}`);
        }
      });
      child.on('close', () => resolve());
    });
  }

  #onEnd(rank: number, status: number, hasFailed: boolean, what: string): void {
    this.#running.delete(rank);
    if (hasFailed) this.#failed ??= status;
    else if (rank === 0) this.#statusOfFirst = status;
    if (this.#running.size === 0) clearTimeout(this.#killing);
    else if ((hasFailed || rank === 0) && this.#killing === undefined) {
      const grace = duration(this.#graceMs);
      if (hasFailed) this.#write(`rank ${rank} ${what}; the others get ${grace} to end\n`);
      this.#killing = setTimeout(() => {
        this.#write(`killing ${[...this.#running.keys()].map((each) => `rank ${each}`).join(', ')}, ${grace} later\n`);
        this.#signal('SIGKILL');
      }, this.#graceMs);
    }
  }

  #signal(name: NodeJS.Signals): void {
    for (const child of this.#running.values()) child.kill(name);
  }

  /** What a terminal tells its foreground processes: its new size, and Ctrl-Z. @returns ends it. */
  #followTerminal(): () => void {
    const onSize = () => this.#signal('SIGWINCH');
    const onPause = () => {
      this.#signal('SIGSTOP');
      process.kill(process.pid, 'SIGSTOP');
    };
    const onContinue = () => this.#signal('SIGCONT');
    const handlers = [
      ['SIGWINCH', onSize],
      ['SIGTSTP', onPause],
      ['SIGCONT', onContinue],
    ] as const;
    for (const [name, handler] of handlers) process.on(name, handler);
    return () => {
      for (const [name, handler] of handlers) process.off(name, handler);
    };
  }
}

/** What torchrun tells its processes, and threads, where nobody has said how many. */
function variablesOf(rank: number, size: number, port: number): Record<string, string> {
  return {
    RANK: String(rank),
    WORLD_SIZE: String(size),
    LOCAL_RANK: String(rank),
    LOCAL_WORLD_SIZE: String(size),
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: String(port),
    [launcherVariable]: 'burgeon',
    BURGEON_THREADS: process.env.BURGEON_THREADS || String(threadsOfRank(size)),
  };
}

/** Rank 0 may have its progress on the last line of the terminal: it comes again. */
function writeAboveProgress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[2K${text}` : text);
}
