// One question about what the file system says. Pure.

/** Whether a file system call failed because the path does not exist. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'ENOENT';
}
