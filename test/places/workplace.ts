// A directory in which every command that writes can be run, and what is left in one: trials work on copies of it.

import { spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { stringify } from 'yaml';
import { readMetrics } from '../../lib/train/metrics.ts';
import { createWorkspace, type Workspace } from '../cli/workspace.ts';
import { type CommandResult, main } from '../helpers/cli.ts';
import { sha256OfFile } from '../helpers/hash.ts';
import type { WritingCommand } from './commands.ts';

/** Nothing here takes longer: a lock whose holder cannot be looked up is waited for, up to a minute. */
const limitMs = 100_000;

/** With `data`, the runs `begun`, `other` and `third`, train.yaml, sweep.yaml, and a file of another time in the place of each that may be replaced. */
export async function createTemplate(): Promise<Workspace> {
  const workspace = await createWorkspace({
    checkpoint: { every: 5, keepLast: 1 },
    sample: { every: 5, length: 5 },
    evaluation: { every: 5, windows: 4 },
  });
  const stop = { signals: [{ name: 'SIGTERM' as const, after: '"step":7,' }] };
  const begun = await workspace.burgeon(['train', 'train.yaml', '--json', '--set', 'output=begun'], stop);
  if (begun.code !== 143) throw new Error(`expected a run that was stopped: ${begun.stderr}`);
  await workspace.succeed(['train', 'train.yaml', '--set', 'output=other', '--set', 'seed=2']);
  await workspace.succeed(['train', 'train.yaml', '--set', 'output=third', '--set', 'optimizer.learningRate=1e-3']);
  const sweep = { output: 'runs', base: { extends: 'train.yaml' }, variants: { a: null }, seeds: [4], parallel: 1 };
  await writeFile(workspace.path('sweep.yaml'), stringify(sweep));
  for (const name of ['old.html', 'old.svg', 'old.json']) await writeFile(workspace.path(name), 'of another time\n');
  return workspace;
}

/** A copy of a directory that a trial may do with as it likes. */
export async function copyOf(directory: string): Promise<string> {
  const copy = await mkdtemp(path.join(tmpdir(), 'burgeon-place-'));
  await cp(directory, copy, { recursive: true });
  return copy;
}

export interface Circumstances {
  /** Options of node. */
  node?: readonly string[];
  /** What starts node, with its arguments: `setpriv`, say. */
  by?: readonly string[];
  env?: Record<string, string>;
}

export interface Ended extends CommandResult {
  isHung: boolean;
}

/** Runs burgeon in a directory; kills it when it does not come to an end. */
export function run(directory: string, args: readonly string[], { node = [], by = [], env = {} }: Circumstances = {}) {
  const [file, ...rest] = [...by, process.execPath, ...node, main, ...args] as [string, ...string[]];
  const child = spawn(file, rest, {
    cwd: directory,
    env: { ...process.env, BURGEON_THREADS: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let [stdout, stderr, isHung] = ['', '', false];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const timer = setTimeout(() => {
    isHung = true;
    process.kill(-child.pid!, 'SIGKILL');
  }, limitMs);
  return new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr, isHung });
    });
  });
}

/** What a command has written, as far as it is the same every time: names, and of what is computed the hashes. */
export async function resultsOf(directory: string, { outputs }: WritingCommand): Promise<Record<string, unknown>> {
  const results: Record<string, unknown> = {};
  for (const name of await namesIn(directory)) {
    const base = path.basename(name);
    // Of what nothing depends on, names differ. The draft of a lock that was half written is taken for that of a process which is just starting, for ten seconds.
    if (/^(events\.out\.|metrics-\d+\.jsonl|\.burgeon\.token|\.burgeon(-sweep)?\.lock\.new-)/.test(base)) continue;
    const isOutput = outputs.some((output) => name === output || name.startsWith(`${output}/`));
    if (!isOutput) results[name] = 'there';
    else if (base === 'metrics.jsonl') results[name] = await linesOf(path.join(directory, name));
    else if (isComputed(base)) results[name] = await sha256OfFile(path.join(directory, name));
    else results[name] = 'there';
  }
  return results;
}

const isComputed = (base: string) =>
  /\.(safetensors|bin)$/.test(base) || ['tokenizer.json', 'vocab.json', 'merges.txt', 'config.json'].includes(base);

async function linesOf(file: string): Promise<unknown[]> {
  const seen = (await readMetrics(file)).filter(
    ({ kind }) => !['start', 'warning', 'totals', 'checkpoint'].includes(kind),
  );
  return seen.map((line) => [line.kind, line.step, 'loss' in line ? line.loss : 'text' in line && line.text]);
}

/** Every file under the outputs of a command with its bytes' hash. */
export async function filesOf(directory: string, { outputs }: WritingCommand): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const name of await namesIn(directory)) {
    if (!outputs.some((output) => name === output || name.startsWith(`${output}/`))) continue;
    files[name] = await sha256OfFile(path.join(directory, name));
  }
  return files;
}

/** Files, and directories with nothing in them, with forward slashes. */
async function namesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const full = entries.map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)));
  const isEmpty = (name: string) => !full.some((other) => other.startsWith(name + path.sep));
  return full
    .filter((name, i) => !entries[i]!.isDirectory() || isEmpty(name))
    .map((name) => name.replaceAll(path.sep, '/'))
    .sort();
}

export async function remove(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
}

/** The calls that change files of an undisturbed process, "name path" each. */
export async function callsOf(file: string): Promise<string[]> {
  return (await readFile(file, 'utf8')).trimEnd().split('\n');
}
