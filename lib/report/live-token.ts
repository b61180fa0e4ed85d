// The token of the live page: who has it may see the run and press the buttons. It is kept in the run directory, so that an
// address stays good when the run is restarted, in a file that only its owner can read.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

export const tokenFileName = '.burgeon.token';

/** The run's own, where there is one that nobody else could read; else a new one, which is not yet kept. */
export async function findToken(runDirectory: string): Promise<string> {
  const file = path.join(runDirectory, tokenFileName);
  const known = await readFile(file, 'utf8').catch(() => '');
  const isPrivate = async () => process.platform === 'win32' || ((await stat(file)).mode & 0o077) === 0;
  if (/^[\w-]{32}$/.test(known) && (await isPrivate())) return known;
  return randomBytes(24).toString('base64url');
}

/** Keeps it in the run directory, which exists. */
export async function keepToken(runDirectory: string, token: string): Promise<void> {
  const file = path.join(runDirectory, tokenFileName);
  await rm(`${file}.new`, { force: true });
  try {
    await writeFile(`${file}.new`, token, { mode: 0o600, flag: 'wx' });
    await rename(`${file}.new`, file);
  } catch (error) {
    await rm(`${file}.new`, { force: true }).catch(() => {});
    throw error;
  }
}

/** Whether a request's authorization header has the token; takes as long whatever that is. The scheme is of any case (RFC 7235). */
export function hasToken(authorization: string | undefined, token: string): boolean {
  const given = /^bearer +(.*)$/i.exec(authorization ?? '')?.[1];
  return timingSafeEqual(digest(given ?? ''), digest(token));
}

const digest = (text: string) => createHash('sha256').update(text).digest();
