// A relay between rank 0 and the others that counts what it carries.
import { connect, createServer, type Socket } from 'node:net';
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
  const ranks = await Promise.all(
    Array.from({ length: size }, (_, rank) =>
      Communicator.connect({ rank, size, address: '127.0.0.1', port: rank === 0 ? port : relayed }),
    ),
  );
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
