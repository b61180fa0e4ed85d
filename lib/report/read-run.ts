// Reads a run directory's metrics for display. Step lines can be a million: of a large file only those are decoded that a
// picture needs, found by reading two numbers of each line in place.

import { stat } from 'node:fs/promises';
import path from 'node:path';
import { meantHint } from '../config/meant-directories.ts';
import { BurgeonError } from '../errors.ts';
import { isFile } from '../files/path-kinds.ts';
import { type FileLine, scanLines } from '../files/scan-lines.ts';
import { counted } from '../format.ts';
import { type MetricsLine, metricsFileName } from '../train/metrics.ts';
import { addLine } from './add-line.ts';
import { problemOf } from './check-line.ts';
import { BlockFlopSums } from './derive-block-flops.ts';
import { axes, emptyColumns, type RunData, stepColumns } from './run-data.ts';
import { stageRows } from './stage-rows.ts';
import { LineThinner } from './thin-lines.ts';

/** Damaged lines that are named one by one. */
const mostNamed = 20;

export interface ReadRunOptions {
  /** About as many step lines are kept. Default 2000. */
  maxPoints?: number;
  /** Reads the first so many bytes. Default: the whole file. */
  upTo?: number;
}

/**
 * Reads a run.
 * @param directory with a metrics.jsonl, or such a file itself, kept apart from its run. A torn last line, and lines that are damaged, are left out and become warnings.
 * @throws {BurgeonError} ERR_BURGEON_DATA where there is no metrics file.
 */
export async function readRun(directory: string, options: ReadRunOptions = {}): Promise<RunData> {
  const { maxPoints = 2000, upTo = Infinity } = options;
  const isFile = await stat(directory).then(
    (found) => found.isFile(),
    () => false,
  );
  const file = isFile ? directory : path.join(directory, metricsFileName);
  const size = await sizeOf(file, directory);
  const run: RunData = {
    name: path.basename(path.resolve(directory), isFile ? '.jsonl' : ''),
    directory,
    start: undefined,
    starts: [],
    state: 'unfinished',
    step: 0,
    stepLines: 0,
    steps: emptyColumns(stepColumns),
    validation: emptyColumns([...axes, 'loss']),
    samples: [],
    checkpoints: [],
    warnings: [],
    damage: [],
    changes: [],
    stages: [],
    plannedSaving: null,
    totals: undefined,
    end: undefined,
  };
  const damaged: string[] = [];
  const blockFlops = new BlockFlopSums();
  let number = 0;
  const decode = (text: string, line: number, isWhole: boolean) => {
    const { read, problem } = decodeLine(text, isWhole);
    if (read === undefined) {
      damaged.push(`:${line}: ${problem}`);
      return;
    }
    addLine(run, read);
    blockFlops.take(read);
  };
  const thinner = new LineThinner(size, maxPoints, decode);
  await scanLines(file, (line) => {
    if (line.offset >= upTo) return false;
    number++;
    if (line.begin === line.end) return true;
    if (line.isWhole && isStep(line)) {
      run.stepLines++;
      thinner.add(line, number);
    } else {
      thinner.flush();
      decode(line.chunk.toString('utf8', line.begin, line.end), number, line.isWhole);
    }
    return true;
  });
  thinner.flush();
  addDamage(run, file, damaged);
  if ([run.steps, run.validation].some((columns) => columns.executedBlockFlops.includes(null))) blockFlops.fillIn(run);
  if (run.state === 'unfinished' && run.start !== undefined && run.step === run.start.config.steps)
    run.state = 'complete';
  Object.assign(run, stageRows(run.start, run.totals?.stages ?? []));
  return run;
}

/** @param damaged number of the line and problem, to stand behind the name of the file. */
function addDamage(run: RunData, file: string, damaged: readonly string[]): void {
  const left = damaged.length - mostNamed;
  const named = [
    ...damaged.slice(0, mostNamed),
    ...(left > 0 ? [`: ${counted(left, 'more line')} left out for the like`] : []),
  ];
  run.damage.push(...named.map((text) => `${file}${text}`));
  for (const text of named) run.warnings.push({ kind: 'warning', step: run.step, text: `${metricsFileName}${text}` });
}

/** The line, or why it is left out. */
export function decodeLine(text: string, isWhole: boolean): { read?: MetricsLine; problem?: string } {
  try {
    const read: MetricsLine = JSON.parse(text);
    const problem = problemOf(read);
    return problem === undefined ? { read } : { problem: `damaged, left out: ${problem}: ${beginningOf(text)}` };
  } catch {
    return {
      problem: isWhole
        ? `no JSON, left out: ${beginningOf(text)}`
        : 'the last line is torn, as a killed process leaves it; left out',
    };
  }
}

/** As a terminal can show it, whatever it is. */
function beginningOf(text: string): string {
  return text.slice(0, 60).replace(/\p{Cc}|\ufffd/gu, '?');
}

async function sizeOf(file: string, directory: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (cause) {
    const problem = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'it has none' : (cause as Error).message;
    const hint = await meantHint(directory, (other) => isFile(path.join(other, metricsFileName)));
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${directory}: expected a run directory with ${metricsFileName}, but ${problem}; \`burgeon train\` writes one to its output${hint}`,
      { cause },
    );
  }
}

/** Whether it begins with {"kind":"step"; asked a million times, so byte by byte. */
export function isStep({ chunk, begin }: FileLine): boolean {
  return chunk[begin + 9] === 0x73 && chunk[begin + 10] === 0x74 && chunk[begin + 11] === 0x65;
}
