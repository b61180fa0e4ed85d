// Runs the commands of one part: what they print goes to a file, and none of them outlives the time of the part.
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { Outcome } from './outcome.mjs';

export const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));

const main = path.join(root, 'dist', 'cli', 'main.js');

/** Between asking a command to stop, which lets a run write its checkpoint, and killing it. */
const graceMs = 15_000;

/** Ends a command and what it has started. */
function signal(child, name) {
  try {
    process.kill(-child.pid, name);
  } catch {
    // It has ended in between.
  }
}

/** The line that says what went wrong: the last of what was printed. */
const lastLine = (text) => text.trim().split('\n').at(-1) ?? '';

/**
 * @param {{ log: string, deadline: number, interrupt: AbortSignal }} options log: a file that is appended to; deadline: on the clock of
 *   performance.now; interrupt: somebody wants to end.
 * @returns what runs a command and gives { stdout, stderr }; throws an Outcome where it fails or its time is over.
 */
export function commandRunner({ log, deadline, interrupt }) {
  return function run(command, args, { env = {} } = {}) {
    const shown = args[0] === main ? `burgeon ${args.slice(1).join(' ')}` : [command, ...args].join(' ');
    const settings = Object.entries(env).map(([key, value]) => `${key}=${value}`);
    appendFileSync(log, `> ${[...settings, shown].join(' ')}\n`);
    const child = spawn(command, args, {
      cwd: root,
      detached: true,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const printed = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8').on('data', (text) => {
        printed[name] += text;
        appendFileSync(log, text);
      });
    }
    let isStopped = false;
    const stop = () => {
      isStopped = true;
      signal(child, 'SIGINT');
    };
    const asked = setTimeout(stop, Math.max(0, deadline - graceMs - performance.now()));
    const killed = setTimeout(() => signal(child, 'SIGKILL'), Math.max(0, deadline - performance.now()));
    interrupt.addEventListener('abort', stop);
    return new Promise((resolve, reject) => {
      child.on('error', (error) => reject(new Outcome('failed', `${command}: ${error.message}`)));
      child.on('close', (status, by) => {
        if (isStopped)
          return reject(new Outcome('stopped', `${interrupt.aborted ? 'interrupted' : 'its time was over'}: ${shown}`));
        if (status === 0) return resolve(printed);
        const why = lastLine(printed.stderr) || lastLine(printed.stdout);
        reject(new Outcome('failed', `${shown}: ${by ?? `exit status ${status}`}${why && `, ${why}`}`));
      });
    }).finally(() => {
      clearTimeout(asked);
      clearTimeout(killed);
      interrupt.removeEventListener('abort', stop);
    });
  };
}

/** Arguments of `run` for the command of this folder. */
export const burgeon = (args) => [process.execPath, [main, ...args]];
