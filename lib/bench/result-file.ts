// The files that `burgeon bench --json` writes and `--compare` reads: machine, command and samples of every entry.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { BurgeonError } from '../errors.ts';
import { replaceFile } from '../files/replace-file.ts';
import type { Machine } from './machine.ts';

export type BenchName = 'peak' | 'ops' | 'model' | 'ranks';

/** One measured thing. What else an entry holds is for readers; comparing needs these. */
export interface BenchEntry {
  /** Names what was measured and how: equal keys of two files are comparable. */
  key: string;
  /** Of the samples: ms are better small, the others large. */
  unit: 'ms' | 'FLOP/s' | 'B/s';
  samples: number[];
}

export interface BenchFile<Entry extends BenchEntry = BenchEntry> {
  format: 'burgeon-bench-1';
  bench: BenchName;
  /** ISO 8601. */
  date: string;
  command: string;
  machine: Machine;
  entries: Entry[];
}

/** What `--compare` needs of a file. */
export type OldBenchFile = Pick<BenchFile, 'bench' | 'date' | 'entries'> & { machine: Partial<Machine> };

const oldFile = z.object({
  format: z.literal('burgeon-bench-1'),
  bench: z.enum(['peak', 'ops', 'model', 'ranks']),
  date: z.string(),
  machine: z.record(z.string(), z.unknown()),
  entries: z
    .array(
      z.object({
        key: z.string(),
        unit: z.enum(['ms', 'FLOP/s', 'B/s']),
        samples: z.array(z.number().positive()).min(1),
      }),
    )
    .min(1),
});

export function benchFile<Entry extends BenchEntry>(
  bench: BenchName,
  machine: Machine,
  entries: Entry[],
): BenchFile<Entry> {
  return {
    format: 'burgeon-bench-1',
    bench,
    date: new Date().toISOString(),
    command: commandLine(process.argv.slice(2)),
    machine,
    entries,
  };
}

/** The command as typed, of paths only the last part. */
export function commandLine(args: readonly string[]): string {
  return ['burgeon', ...args.map((arg) => (path.isAbsolute(arg) ? path.basename(arg) : arg))].join(' ');
}

/** Writes the file. @throws {BurgeonError} ERR_BURGEON_DATA when that fails. */
export async function writeBenchFile(file: string, content: BenchFile): Promise<void> {
  await replaceFile(file, `${JSON.stringify(content, null, 2)}\n`, 'the result');
}

/**
 * Reads a file of `--json`.
 * @throws {BurgeonError} ERR_BURGEON_DATA naming the file and what is wrong with it.
 */
export async function readBenchFile(file: string): Promise<OldBenchFile> {
  const fail = (came: string, cause?: unknown) =>
    new BurgeonError('ERR_BURGEON_DATA', `${file}: expected a file written by \`burgeon bench --json\`, ${came}`, {
      cause,
    });
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw fail(code === 'ENOENT' ? 'found nothing' : message, error);
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw fail('found no JSON', error);
  }
  const parsed = oldFile.safeParse(content);
  if (parsed.success) return parsed.data as OldBenchFile;
  const [issue] = parsed.error.issues;
  throw fail(`found ${issue!.path.join('.') || 'something'} that is none: ${issue!.message}`);
}
