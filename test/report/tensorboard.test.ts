// Event files: published vectors, and files read back by a reader that shares nothing with the writer.

import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { crc32c } from '../../lib/report/crc32c.ts';
import { EventFile, fileVersionEvent, record, scalar, summaryEvent } from '../../lib/report/tensorboard.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { useWorkspace } from '../cli/workspace.ts';
import { startLine, stepLine, validationLine } from './metrics-lines.ts';

type Fields = Map<number, (bigint | Buffer)[]>;

/** Any protobuf message: the values of each field; what is 4 or 8 bytes or has a length, as bytes. */
function fieldsOf(message: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const bytes = (length: number) => {
    at += length;
    return message.subarray(at - length, at);
  };
  const readers = new Map<number, () => bigint | Buffer>([
    [0, varint],
    [1, () => bytes(8)],
    [2, () => bytes(Number(varint()))],
    [5, () => bytes(4)],
  ]);
  while (at < message.length) {
    const key = Number(varint());
    const value = readers.get(key & 7)!();
    fields.set(key >> 3, [...(fields.get(key >> 3) ?? []), value]);
  }
  expect(at).toBe(message.length);
  return fields;
}

/** CRC-32C bit by bit, masked. */
function checksum(bytes: Buffer): number {
  let crc = 0xffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc % 2n === 1n ? (crc / 2n) ^ 0x82f63b78n : crc / 2n;
  }
  crc ^= 0xffffffffn;
  return Number((((crc >> 15n) | ((crc << 17n) & 0xffffffffn)) + 0xa282ead8n) & 0xffffffffn);
}

interface Event {
  time: number;
  step: number;
  version?: string;
  session?: bigint;
  scalars: Record<string, number>;
  texts: Record<string, string>;
}

function eventsOf(file: Buffer): Event[] {
  const events: Event[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(checksum(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(file.readUInt32LE(at + 12 + length)).toBe(checksum(data));
    at += 16 + length;
    const fields = fieldsOf(data);
    const event: Event = {
      time: (fields.get(1)![0] as Buffer).readDoubleLE(),
      step: Number(fields.get(2)?.[0] ?? 0),
      scalars: {},
      texts: {},
    };
    if (fields.has(3)) event.version = String(fields.get(3)![0]);
    if (fields.has(7)) event.session = fieldsOf(fields.get(7)![0] as Buffer).get(1)![0] as bigint;
    for (const value of fields.has(5) ? fieldsOf(fields.get(5)![0] as Buffer).get(1)! : []) {
      const parts = fieldsOf(value as Buffer);
      const tag = String(parts.get(1)![0]);
      if (parts.has(2)) event.scalars[tag] = (parts.get(2)![0] as Buffer).readFloatLE();
      else {
        const plugin = fieldsOf(fieldsOf(parts.get(9)![0] as Buffer).get(1)![0] as Buffer);
        expect(String(plugin.get(1)![0])).toBe('text');
        event.texts[tag] = String(fieldsOf(parts.get(8)![0] as Buffer).get(8)![0]);
      }
    }
    events.push(event);
  }
  return events;
}

test('the checksum is CRC-32C', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
});

test.each([
  [
    'file version',
    fileVersionEvent(1.5),
    '1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c',
  ],
  [
    'scalar',
    summaryEvent(2.5, 7, [scalar('train/loss', 3.25)]),
    '200000000000000029eda95009000000000000044010072a130a110a0a747261696e2f6c6f73731500005040aa8a4a43',
  ],
])('a record is byte for byte what TensorBoard writes: %s', (_, event, hex) => {
  expect(record(event).toString('hex')).toBe(hex);
});

describe('a file', () => {
  test('has the version first, then sessions, scalars and texts of the lines it was given', async () => {
    const directory = path.join(await temporaryDirectory(), 'run');
    const file = await EventFile.create(directory, { now: () => 1_700_000_000.25 });
    file.take(startLine());
    file.take(validationLine(0, 4));
    file.take(stepLine(1, 3.5, { blockFlops: 2e5 }));
    file.take({ kind: 'checkpoint', step: 1, directory: 'x' });
    file.take({ kind: 'sample', step: 300, text: 'à la fin' });
    file.take(startLine({}, 300));
    file.take({ kind: 'change', step: 300, key: 'steps', from: 400, to: 500 });
    file.take(validationLine(70_000, 2));
    await file.close();
    expect(await readdir(directory)).toEqual([path.basename(file.path)]);
    expect(path.basename(file.path)).toMatch(/^events\.out\.tfevents\.1700000000\.[^/]+\.\d+\.\d+$/);

    const [first, ...events] = eventsOf(await readFile(file.path));
    expect(first).toMatchObject({ time: 1_700_000_000.25, version: 'brain.Event:2' });
    expect(events.map(({ step }) => step)).toEqual([0, 0, 1, 300, 300, 300, 70_000]);
    expect([events[0]!.session, events[4]!.session]).toEqual([1n, 1n]);
    expect(events[1]!.scalars).toEqual({ 'validation/loss': 4 });
    expect(events[2]!.scalars).toMatchObject({
      'train/loss': 3.5,
      'train/block_flops_share': 0.25,
      'train/learning_rate': Math.fround(1e-3),
      'train/gradient_norm': 0.5,
    });
    expect(events[3]!.texts).toEqual({ sample: 'à la fin' });
    expect(events[5]!.texts).toEqual({ change: 'steps changed from 400 to 500' });
    expect(events[6]!.scalars).toEqual({ 'validation/loss': 2 });
  });
});

test('train --tensorboard writes a file per process, and the one that goes on marks its step', async () => {
  const workspace = await useWorkspace();
  const stopped = await workspace.burgeon(['train', 'train.yaml', '--tensorboard'], {
    signals: [{ name: 'SIGINT', after: 'step 5: held-out' }],
  });
  expect(stopped.code).toBe(130);
  await workspace.succeed(['train', 'train.yaml', '--tensorboard', '--resume']);
  const names = (await readdir(workspace.path('run'))).filter((name) => name.startsWith('events.')).sort();
  expect(names).toHaveLength(2);
  const files = await Promise.all(names.map(async (name) => eventsOf(await readFile(workspace.path('run', name)))));
  files.sort(([a], [b]) => a!.time - b!.time);
  const [first, second] = files as [Event[], Event[]];
  const lossSteps = (events: Event[]) =>
    events.filter(({ scalars }) => 'train/loss' in scalars).map(({ step }) => step);
  const last = lossSteps(first).at(-1)!;
  expect(second.find(({ session }) => session === 1n)!.step).toBe(last);
  expect([...lossSteps(first), ...lossSteps(second)]).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
});
