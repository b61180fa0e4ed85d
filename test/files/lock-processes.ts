// Processes that want a lock (lock-program.mjs), and locks as others have left them.

import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { newLock } from '../../lib/files/lock-content.ts';
import { type ProcessIdentity, thisProcess } from '../../lib/files/process-identity.ts';

export interface Answer {
  task?: string;
  code?: string;
  message?: string;
  taken?: number;
}

export function startProcess(): ChildProcess {
  const child = fork(path.join(import.meta.dirname, 'lock-program.mjs'), { execArgv: [] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

/** Its next answer to a task. */
export async function tell(child: ChildProcess, task: Record<string, unknown>): Promise<Answer> {
  const answer = once(child, 'message');
  child.send(task);
  return (await answer)[0];
}

/** The id of a process that is gone. */
export function goneProcess(): number {
  return Number(execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }));
}

/** A process of this machine and PID namespace that is gone. */
export async function goneIdentity(): Promise<ProcessIdentity> {
  return { ...(await thisProcess()), pid: goneProcess() };
}

/** A lock as that process would have left it. @returns its token. */
export async function leaveLock(file: string, identity: ProcessIdentity): Promise<string> {
  const { token, text } = newLock(identity);
  await writeFile(file, text);
  return token;
}
