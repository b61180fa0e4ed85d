// Event files for TensorBoard: TFRecords of protobuf messages, written as the run goes. Formats: tensorboard's
// event_file_writer.py, event.proto and summary.proto.

import { type FileHandle, open, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { explainWriting } from '../files/explain-writing.ts';
import { LogFile } from '../files/log-file.ts';
import { makeDirectory } from '../files/make-directory.ts';
import { changeText } from '../format.ts';
import type { MetricsLine, StepLine, ValidationLine } from '../train/metrics.ts';
import { maskedCrc32c } from './crc32c.ts';
import { bytesField, doubleField, floatField, integerField } from './protobuf.ts';

/** Least time between writes; events wait that long in memory. */
const flushEveryMs = 1000;

/** Files of one process differ in this. */
let counter = 0;

export class EventFile {
  readonly path: string;
  readonly #log: LogFile<TimedLine>;
  readonly #now: () => number;

  private constructor(file: string, log: LogFile<TimedLine>, now: () => number) {
    this.path = file;
    this.#log = log;
    this.#now = now;
  }

  /**
   * Begins an event file in a directory, which TensorBoard takes for one run.
   * @param options.now seconds since 1970.
   * @param options.onTrouble is told where the file cannot be written, as `LogFile` has it.
   */
  static async create(
    directory: string,
    options: { now?: () => number; onTrouble?: (text: string) => void } = {},
  ): Promise<EventFile> {
    const { now = () => Date.now() / 1000, onTrouble } = options;
    const seconds = String(Math.floor(now())).padStart(10, '0');
    const name = `events.out.tfevents.${seconds}.${os.hostname()}.${process.pid}.${counter++}`;
    const file = path.join(directory, name);
    const handle = await explainWriting(`${file} (events for TensorBoard)`, 'nothing was trained', async () => {
      await makeDirectory(directory);
      return openWith(file, record(fileVersionEvent(now())));
    });
    const log = new LogFile<TimedLine>({
      path: file,
      handle,
      everyMs: flushEveryMs,
      encode: (lines) => Buffer.concat(lines.flatMap(({ time, line }) => recordOf(time, line))),
      onTrouble,
    });
    return new EventFile(file, log, now);
  }

  /** Adds what a line of metrics says. */
  take(line: MetricsLine): void {
    this.#log.add({ time: this.#now(), line });
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}

/** A new file that begins with these bytes; none where they cannot be written. */
async function openWith(file: string, bytes: Uint8Array): Promise<FileHandle> {
  const handle = await open(file, 'wx');
  try {
    await handle.appendFile(bytes);
    return handle;
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(file, { force: true }).catch(() => {});
    throw error;
  }
}

/** A line and when it came, in seconds since 1970; encoded when it is written. */
interface TimedLine {
  time: number;
  line: MetricsLine;
}

/** Length, its checksum, data, their checksum. */
export function record(data: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(BigInt(data.length));
  head.writeUInt32LE(maskedCrc32c(head.subarray(0, 8)), 8);
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(maskedCrc32c(data));
  return Buffer.concat([head, data, tail]);
}

export function fileVersionEvent(wallTime: number): Buffer {
  return Buffer.concat([doubleField(1, wallTime), bytesField(3, 'brain.Event:2')]);
}

const event = (wallTime: number, step: number, what: Buffer) =>
  Buffer.concat([doubleField(1, wallTime), ...(step === 0 ? [] : [integerField(2, step)]), what]);

/** session_log {status: START}. */
function sessionStartEvent(wallTime: number, step: number): Buffer {
  return event(wallTime, step, bytesField(7, integerField(1, 1)));
}

export function summaryEvent(wallTime: number, step: number, values: readonly Buffer[]): Buffer {
  return event(wallTime, step, bytesField(5, ...values.map((value) => bytesField(1, value))));
}

export const scalar = (tag: string, value: number) => Buffer.concat([bytesField(1, tag), floatField(2, value)]);

/** A tensor of one string, with the metadata of the plugin that shows it. */
function text(tag: string, value: string): Buffer {
  const [stringType, tensorClass] = [7, 2];
  const shape = bytesField(2, bytesField(2, integerField(1, 1)));
  return Buffer.concat([
    bytesField(1, tag),
    bytesField(8, integerField(1, stringType), shape, bytesField(8, value)),
    bytesField(9, bytesField(1, bytesField(1, 'text')), integerField(4, tensorClass)),
  ]);
}

/** Scalars of a step, by tag; null where there is no such number. */
const stepScalars: readonly [string, (line: StepLine) => number | null][] = [
  ['train/loss', (line) => line.loss],
  ['train/learning_rate', (line) => line.learningRate],
  ['train/gradient_norm', (line) => line.gradientNorm],
  ['train/tokens_per_second', (line) => line.tokensPerSecond],
  ['train/mfu', (line) => line.mfu ?? Number.NaN],
  ['train/block_flops_share', (line) => line.blockFlops / line.denseBlockFlops],
  ['train/executed_flops', (line) => line.executedFlops],
  ['train/memory_bytes', (line) => line.rssBytes],
];

/** Values of a summary with zeros for numbers: there are many steps, and only the last four bytes of each differ. */
const stepValues = stepScalars.map(([tag]) => bytesField(1, scalar(tag, 0)));

function stepSummary(line: StepLine): Buffer {
  const values = stepScalars.flatMap(([, read], i) => {
    const number = read(line);
    if (number === null) return [];
    const value = Buffer.from(stepValues[i]!);
    value.writeFloatLE(number, value.length - 4);
    return [value];
  });
  return bytesField(5, ...values);
}

/** In bits per byte too, where that is known. */
function validationSummary({ loss, bitsPerByte }: ValidationLine): Buffer[] {
  const values = [scalar('validation/loss', loss)];
  if (bitsPerByte != null) values.push(scalar('validation/bits_per_byte', bitsPerByte));
  return values;
}

function recordOf(time: number, line: MetricsLine): Buffer[] {
  switch (line.kind) {
    case 'start':
      // Points after this step that an earlier process wrote are superseded.
      return [record(sessionStartEvent(time, line.step))];
    case 'step':
      return [record(event(time, line.step, stepSummary(line)))];
    case 'validation':
      return [record(summaryEvent(time, line.step, validationSummary(line)))];
    case 'sample':
    case 'warning':
      return [record(summaryEvent(time, line.step, [text(line.kind, line.text)]))];
    case 'change':
      return [record(summaryEvent(time, line.step, [text(line.kind, changeText(line))]))];
    default:
      return [];
  }
}
