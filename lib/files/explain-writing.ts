// What is said when a file cannot be written: which, why, and what is left. The system's own error names a path at best.

import { BurgeonError } from '../errors.ts';

const advice: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: free some space, or choose another place',
  EDQUOT: 'your share of the disk is used up: free some space, or choose another place',
  EROFS: 'it is on a disk that cannot be written: choose another place',
  EACCES: 'you may not write there: change its permissions, or choose another place',
  EPERM: 'you may not write there: change its permissions, or choose another place',
  EISDIR: 'it is a directory: name a file in it',
  ENOTDIR: 'a part of its path is a file: choose another path',
  ENOENT: 'its directory does not exist: make it first, or choose another path',
  ENXIO: 'it is a pipe that nobody reads: read it, or name a file',
  EFBIG: 'files may not be that large: raise the limit (ulimit -f), or choose another place',
  EIO: 'its disk does not work: look after it, or choose another place',
  EMFILE: 'too many files are open: raise the limit (ulimit -n)',
  ENFILE: 'too many files are open on this machine: close some programs',
};

/** What to do about an error of the file system, for a sentence; undefined where nothing is known. */
export function whatToDo(error: unknown): string | undefined {
  return advice[(error as NodeJS.ErrnoException | null)?.code ?? ''];
}

/**
 * Runs `work`; what the file system refuses becomes an error that says more. Other errors pass.
 * @param what the path, and what it was for where that is not plain: "out/report.html (the report)".
 * @param kept what is left: "the old report is kept".
 * @throws {BurgeonError} ERR_BURGEON_DATA.
 */
export async function explainWriting<Result>(what: string, kept: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    const { code, message, syscall } = cause as NodeJS.ErrnoException;
    if (cause instanceof BurgeonError || code === undefined || syscall === undefined) throw cause;
    const next = whatToDo(cause);
    const sentence = `${what}: cannot be written (${message}); ${next === undefined ? '' : `${next}; `}${kept}`;
    throw new BurgeonError('ERR_BURGEON_DATA', sentence, { cause });
  }
}
