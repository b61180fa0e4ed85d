// A relay between rank 0 and the others that counts what it carries.
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Communicator } from '../../lib/ranks/communicator.ts';
import { freePort } from './helpers.ts';

/** Of what a process says first (native/core/meeting.cc): bytes, and where it tells whether this is the heartbeat. */
const isWatchAt = 16;

export interface CountedRanks {
  ranks: Communicator[];
  /** Data bytes that rank 0 has sent so far, and received. */
  ofFirst(): { sent: number; received: number };
  close(): void;
}

/** Ranks of this process; those above 0 call rank 0 by way of the relay. Heartbeats are not counted. */
export async function countedRanks(size: number): Promise<CountedRanks> {
  const port = await freePort();
  const counted = { sent: 0, received: 0 };
  const sockets: Socket[] = [];
  const relay = createServer((other) => {
    const first = connect(port, '127.0.0.1');
    sockets.push(other, first);
    let isData: boolean | undefined;
    other.on('data', (bytes) => {
      isData ??= bytes.readInt32LE(isWatchAt) === 0;
      if (isData) counted.received += bytes.length;
      first.write(bytes);
    });
    first.on('data', (bytes) => {
      if (isData) counted.sent += bytes.length;
      other.write(bytes);
    });
    for (const [socket, peer] of [
      [other, first],
      [first, other],
    ] as const) {
      socket.on('close', () => peer.destroy()).on('error', () => peer.destroy());
    }
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => relay.once('listening', resolve));
  const { port: relayed } = relay.address() as { port: number };
  const join = (rank: number) =>
    Communicator.connect({ rank, size, address: '127.0.0.1', port: rank === 0 ? port : relayed });
  const zero = join(0);
  zero.catch(() => {});
  // The relay takes a call at once; where nobody listens behind it, the caller would think that rank 0 has ended.
  await listening(port);
  const others = Array.from({ length: size - 1 }, (_, i) => join(i + 1));
  const ranks = await Promise.all([zero, ...others]);
  return {
    ranks,
    ofFirst: () => ({ ...counted }),
    close: () => {
      for (const rank of ranks) rank.close();
      for (const socket of sockets) socket.destroy();
      relay.close();
    },
  };
}

/** Resolves when somebody listens there. */
async function listening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await sleep(10);
  }
}
