// What the tests of the packages share: the tarballs of a release, made once, and running a program to its end.
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../lib/package.ts';

export const minutes = 60_000;

/** Runs a program to its end and returns what it printed; a failure says everything it printed. */
export async function run(cwd: string, command: string, args: string[], env = process.env): Promise<string> {
  try {
    const options = { cwd, env, timeout: 8 * minutes, maxBuffer: 2 ** 26 };
    return (await promisify(execFile)(command, args, options)).stdout;
  } catch (error) {
    const { message, stdout, stderr } = error as Error & { stdout: string; stderr: string };
    throw new Error(`${message}\n${stdout}\n${stderr}`);
  }
}

/** The package of the machine that runs the tests. */
export const platform = `${process.platform}-${process.arch}`;

/** Makes burgeon, @burgeon/source and the package of this platform; returns their tarballs. */
export async function release(output: string): Promise<string[]> {
  const script = path.join(packageRoot, 'scripts', 'release', 'release.mjs');
  await run(packageRoot, process.execPath, [script, '--platform', platform, '--output', output]);
  const names = (await readdir(output)).filter((name) => name.endsWith('.tgz'));
  return names.map((name) => path.join(output, name));
}
