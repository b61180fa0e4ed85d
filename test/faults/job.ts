// Ranks of one job as processes, by themselves or under a launcher: what they say, how far they are, how they end.

import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRunning } from '../../lib/files/process-identity.ts';
import { main } from '../helpers/cli.ts';

/** By the variables of torchrun and nothing above them, by --ranks, by Open MPI. */
export type Starter = 'alone' | 'burgeon' | 'mpirun';

export const waits = { silence: 4, meeting: 20 };
/** Nothing may take longer, from its fault on. */
const limitMs = 60_000;

export interface JobOptions {
  starter: Starter;
  ranks: number;
  directory: string;
  output: string;
  port: number;
  /** As in fault.mjs. */
  fault?: string | undefined;
  /** Ranks that are not started; only where they are alone. */
  absent?: readonly number[] | undefined;
  /** Variables of one rank; only where they are alone. */
  own?: ((rank: number) => Record<string, string>) | undefined;
  /** What starts node for a rank; only where they are alone. */
  by?: ((rank: number) => readonly string[]) | undefined;
  address?: string | undefined;
}

export interface Ended {
  /** Undefined: of the launcher, which says what all its ranks say. */
  rank: number | undefined;
  code: number | null;
  stderr: string;
}

export class Job {
  readonly children: ChildProcess[] = [];
  readonly ended: Promise<Ended[]>;
  /** Newest that rank 0 has told. */
  step = 0;
  isHung = false;
  /** Every rank that was seen. */
  readonly #seen = new Map<number, number>();
  #isOver = false;

  constructor(options: JobOptions) {
    const { starter, ranks, absent = [] } = options;
    const endings =
      starter === 'alone'
        ? Array.from({ length: ranks }, (_, rank) => rank)
            .filter((rank) => !absent.includes(rank))
            .map((rank) => this.#spawn(options, rank))
        : [this.#spawn(options, undefined)];
    this.ended = Promise.all(endings).finally(() => {
      this.#isOver = true;
    });
  }

  #spawn({ starter, ranks, directory, output, port, fault, own, by, address }: JobOptions, rank: number | undefined) {
    const node = [
      process.execPath,
      '--import',
      path.join(import.meta.dirname, 'fault.mjs'),
      main,
      'train',
      'train.yaml',
    ];
    const train = [...node, '--json', '--auto-resume', '--set', `output=${output}`];
    const all = {
      alone: [...(by?.(rank ?? 0) ?? []), ...train],
      burgeon: [...train, '--ranks', String(ranks)],
      mpirun: ['mpirun', '--oversubscribe', '-n', String(ranks), ...train],
    };
    const place = {
      ...{ RANK: String(rank), WORLD_SIZE: String(ranks), LOCAL_RANK: String(rank), LOCAL_WORLD_SIZE: String(ranks) },
      ...{ MASTER_ADDR: address ?? '127.0.0.1', MASTER_PORT: String(port) },
    };
    const [file, ...args] = all[starter] as [string, ...string[]];
    const child = spawn(file, args, {
      cwd: directory,
      env: {
        ...process.env,
        ...{ OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1', OMPI_MCA_plm: 'isolated' },
        ...{
          BURGEON_THREADS: '1',
          BURGEON_RANK_SILENCE: String(waits.silence),
          BURGEON_RANK_WAIT: String(waits.meeting),
        },
        ...(starter === 'alone' ? { ...place, ...own?.(rank!) } : {}),
        ...(fault === undefined ? {} : { FAULT: fault }),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.children.push(child);
    if (rank !== undefined) this.#seen.set(rank, child.pid!);
    let [rest, stderr] = ['', ''];
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) this.step = Math.max(this.step, Number(/^\{"step":(\d+),/.exec(line)?.[1] ?? 0));
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    return new Promise<Ended>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve({ rank, code, stderr }));
    });
  }

  /** Until rank 0 has told a step, or all is over. */
  async untilStep(step: number): Promise<void> {
    while (this.step < step && !this.#isOver) await sleep(2);
  }

  /** Processes of the ranks that run now. */
  ranks(): Map<number, number> {
    const found = new Map<number, number>();
    const pids = this.children.flatMap(({ pid }) => [pid!, ...descendants(pid!)]);
    for (const pid of pids) {
      const rank = rankOf(pid);
      if (rank !== undefined) found.set(rank, pid);
    }
    for (const [rank, pid] of found) this.#seen.set(rank, pid);
    return found;
  }

  /** Sends a signal to a rank, where it runs. */
  signal(rank: number, name: NodeJS.Signals): void {
    const pid = this.ranks().get(rank);
    if (pid === undefined) return;
    try {
      process.kill(pid, name);
    } catch {
      // It has just ended.
    }
  }

  /** All endings, after a fault; what does not end is killed. */
  async end(): Promise<Ended[]> {
    const timer = setTimeout(() => {
      this.isHung = true;
      this.kill();
    }, limitMs);
    const ended = await this.ended;
    clearTimeout(timer);
    return ended;
  }

  /** Ranks that were seen and do not end; those of a launcher that was killed may take their time. */
  async orphans(): Promise<number[]> {
    const end = performance.now() + 30_000;
    for (;;) {
      const running: number[] = [];
      for (const pid of this.#seen.values()) if (await isRunning(pid)) running.push(pid);
      if (running.length === 0 || performance.now() > end) return running;
      await sleep(20);
    }
  }

  kill(): void {
    this.ranks();
    for (const pid of [...this.children.map((child) => child.pid!), ...this.#seen.values()]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    }
  }
}

function descendants(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean))
      .flatMap((child) => [Number(child), ...descendants(Number(child))]);
  } catch {
    return [];
  }
}

function rankOf(pid: number): number | undefined {
  try {
    if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(main)) return undefined;
    const text = /(?:^|\0)(?:RANK|OMPI_COMM_WORLD_RANK)=(\d+)\0/.exec(
      readFileSync(`/proc/${pid}/environ`, 'utf8'),
    )?.[1];
    return text === undefined ? undefined : Number(text);
  } catch {
    return undefined;
  }
}
