// What stands in a lock file: JSON that says who holds the lock, and since when. The time of its last change says when it was last
// renewed. Locks of burgeon 0.1.0 hold a process id and nothing else, and are not renewed.

import { createHash, randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { z } from 'zod';
import { isMissing } from './is-missing.ts';
import { refusePipe } from './path-kinds.ts';
import type { ProcessIdentity } from './process-identity.ts';

const format = 'burgeon-lock';

const schema = z.object({
  format: z.literal(format),
  // Becomes part of a file's name.
  token: z.string().regex(/^[0-9a-f]{32}$/),
  since: z.string().max(40),
  host: z.string().max(256),
  boot: z.string().max(64),
  pidNamespace: z.string().max(64).nullable(),
  pid: z.number().int().positive(),
  start: z.string().max(32).nullable(),
  // Not in locks of earlier versions.
  thread: z.object({ id: z.number().int().positive(), start: z.string().max(32) }).nullish(),
});

/** A lock file as it was found. */
export interface SeenLock {
  /** No two claims have the same, so it tells a lock from another of the same process. */
  token: string;
  /** When it was last renewed, by the clock of its file system; milliseconds. */
  renewedMs: number;
  /** A number: the process id is all that is known. Undefined: what stands there cannot be read. */
  holder: (ProcessIdentity & { since: string }) | number | undefined;
}

/** The text of a new lock. */
export function newLock(identity: ProcessIdentity): { token: string; text: string } {
  const token = randomBytes(16).toString('hex');
  const content: z.infer<typeof schema> = { format, token, since: new Date().toISOString(), ...identity };
  return { token, text: `${JSON.stringify(content)}\n` };
}

/** More than a lock can have. */
const maxBytes = 4096;

/** @returns undefined when there is no such file. */
export async function readLock(file: string): Promise<SeenLock | undefined> {
  try {
    await refusePipe(file);
    // Opened rather than asked for its times: a network file system then asks its server.
    const handle = await open(file, 'r');
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(maxBytes), 0, maxBytes, 0);
      const { mtimeMs, ino } = await handle.stat();
      const text = buffer.toString('utf8', 0, bytesRead);
      const content = parse(text);
      if (typeof content === 'object') return { token: content.token, renewedMs: mtimeMs, holder: content };
      const token = createHash('sha256').update(`${ino} ${mtimeMs} ${text}`).digest('hex').slice(0, 32);
      return { token, renewedMs: mtimeMs, holder: content };
    } finally {
      await handle.close();
    }
  } catch (error) {
    // ENOTDIR: a file lies where its directory was.
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function parse(text: string): z.infer<typeof schema> | number | undefined {
  if (/^[1-9]\d{0,9}\s*$/.test(text)) return Number(text);
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** "process 17 on host-a (since 2026-11-30 04:58:54 UTC)". */
export function holderText({ holder }: SeenLock): string {
  if (holder === undefined) return 'another process';
  if (typeof holder === 'number') return `process ${holder}`;
  return `process ${holder.pid} on ${holder.host} (since ${holder.since.replace(/T(.*?)(\.\d+)?Z$/, ' $1 UTC')})`;
}
