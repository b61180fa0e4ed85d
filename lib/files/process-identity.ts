// Who a process is, so that another one can tell later whether it still lives. A process id alone does not say: ids come back,
// and every container counts its own from 1. Linux gives all of it (proc(5)); elsewhere the start of a process is not known.

import { readFileSync, readlinkSync } from 'node:fs';
import { readFile, readlink } from 'node:fs/promises';
import { hostname, uptime } from 'node:os';

export interface ProcessIdentity {
  host: string;
  /** Of the time since the machine was started: Linux's boot id, or the second in which it was, as text. */
  boot: string;
  /** On Linux, 'pid:[4026531836]': process ids mean something only inside it. */
  pidNamespace: string | null;
  pid: number;
  /** In clock ticks after the boot, as text; null where it cannot be had. */
  start: string | null;
  /** The thread, which may be terminated while its process lives on; null, or absent, where it is not known. */
  thread?: { id: number; start: string } | null | undefined;
}

/** unknown: the process is out of sight, or its id is there and may be another's by now. */
export type ProcessLife = 'lives' | 'gone' | 'unknown';

let own: Promise<ProcessIdentity> | undefined;

/** Of this process. */
export function thisProcess(): Promise<ProcessIdentity> {
  own ??= identify();
  return own;
}

async function identify(): Promise<ProcessIdentity> {
  const [bootId, pidNamespace, stat] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => undefined),
    readlink('/proc/self/ns/pid').catch(() => null),
    readFile('/proc/self/stat', 'utf8').catch(() => ''),
  ]);
  // A /proc of another PID namespace (`unshare --pid` alone) has other ids, so nothing can be looked up there.
  const start = Number.parseInt(stat, 10) === process.pid ? (parseStat(stat)?.start ?? null) : null;
  const boot = bootId?.trim() ?? String(Math.round(Date.now() / 1000 - uptime()));
  return {
    host: hostname(),
    boot,
    pidNamespace,
    pid: process.pid,
    start,
    thread: start === null ? null : thisThread(),
  };
}

/** Of Linux. Read at once, because what is read later is read by a thread of a pool. */
function thisThread(): ProcessIdentity['thread'] {
  try {
    const id = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    const start = parseStat(readFileSync('/proc/thread-self/stat', 'utf8'))?.start;
    return start === undefined ? null : { id, start };
  } catch {
    return null;
  }
}

/** Whether a process lives, as far as `self` can see. */
export async function processLife(other: ProcessIdentity, self: ProcessIdentity): Promise<ProcessLife> {
  if (!isSameBoot(other, self) || other.pidNamespace !== self.pidNamespace) return 'unknown';
  if (!hasProcess(other.pid)) return 'gone';
  if (other.start === null || self.start === null) return 'unknown';
  const stat = parseStat(await readFile(`/proc/${other.pid}/stat`, 'utf8').catch(() => ''));
  if (stat === undefined) return hasProcess(other.pid) ? 'unknown' : 'gone';
  if (stat.start !== other.start || stat.hasEnded) return 'gone';
  return (await hasThread(other)) ? 'lives' : 'gone';
}

/** Whether the thread of a process that lives does so, too. */
async function hasThread({ pid, thread }: ProcessIdentity): Promise<boolean> {
  if (!thread) return true;
  const stat = parseStat(await readFile(`/proc/${pid}/task/${thread.id}/stat`, 'utf8').catch(() => ''));
  return stat?.start === thread.start && !stat.hasEnded;
}

/** Whether a process of this PID namespace has this id and has not ended. */
export async function isRunning(pid: number): Promise<boolean> {
  if (!hasProcess(pid)) return false;
  return !parseStat(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''))?.hasEnded;
}

function isSameBoot(a: ProcessIdentity, b: ProcessIdentity): boolean {
  if (a.boot === b.boot) return true;
  // Computed from the clock, which may have been set since.
  return a.host === b.host && Math.abs(Number(a.boot) - Number(b.boot)) <= 5;
}

function hasProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Fields of /proc/<pid>/stat. A process has ended (state Z or X) when only its id is left, because its parent has not asked how:
 * in a container, where nothing looks after the children of a process that was killed, that can last.
 */
function parseStat(line: string): { start: string; hasEnded: boolean } | undefined {
  // The name stands in parentheses and may hold any; what follows begins with field 3.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const start = fields[22 - 3];
  return start === undefined ? undefined : { start, hasEnded: /^[ZX]/.test(fields[0]!) };
}
