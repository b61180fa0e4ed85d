// How ranks find each other where others come to the same port: strangers, ranks that start again, that come twice, of another job.

import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Communicator } from '../../lib/ranks/communicator.ts';
import { greetingOf } from './greeting.ts';
import { freePort } from './helpers.ts';

const connect = (rank: number, port: number, size = 2) =>
  Communicator.connect({ rank, size, address: '127.0.0.1', port, meetSeconds: 30 });

/** Says something at a port, as soon as somebody listens there. */
async function say(port: number, bytes: Buffer): Promise<net.Socket> {
  for (;;) {
    const socket = await new Promise<net.Socket | undefined>((resolve) => {
      const made = net.connect(port, '127.0.0.1', () => made.write(bytes, () => resolve(made)));
      made.on('error', () => resolve(undefined));
    });
    if (socket) return socket;
    await sleep(10);
  }
}

describe('ranks that meet', () => {
  test.each([
    ['strangers', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\nAccept: everything\r\n\r\n')],
    ['half a greeting', greetingOf({}).subarray(0, 20)],
    ['a rank that ended and was started again', greetingOf({ rank: 1, size: 4 })],
  ])('pass over %s', async (_, bytes) => {
    const port = await freePort();
    const first = connect(0, port, 4);
    const other = await say(port, bytes);
    await new Promise((resolve) => other.destroy().on('close', resolve));
    const all = await Promise.all([first, ...[1, 2, 3].map((rank) => connect(rank, port, 4))]);
    const sums = await Promise.all(all.map((each) => each.sum([each.rank + 1], 'a test')));
    expect(sums).toEqual([[10], [10], [10], [10]]);
    for (const each of all) each.close();
  });

  test.each([
    ['that comes twice', [{ size: 4 }, { size: 4 }], /^rank 1 \(127\.0\.0\.1\): expected once, came twice; /],
    [
      'of another version',
      [{ size: 4, version: '0.0.1' }],
      /^rank 1 \(127\.0\.0\.1\): expected burgeon .*, it has another version/,
    ],
    ['of another size', [{ size: 2 }], /^rank 1 \(127\.0\.0\.1\): expected to be one of 4, it says it is one of 2/],
    ['of no such number', [{ rank: 7, size: 4 }], /^rank 7 \(127\.0\.0\.1\): came out of turn; /],
    ['of a negative number', [{ rank: -1, size: 4 }], /^rank -1 \(127\.0\.0\.1\): came out of turn; /],
  ])('refuse one %s', async (_, greetings, message) => {
    const port = await freePort();
    const first = connect(0, port, 4);
    const refused = expect(first).rejects.toMatchObject({
      code: 'ERR_BURGEON_CONFIG',
      message: expect.stringMatching(message),
    });
    const sockets: net.Socket[] = [];
    for (const greeting of greetings) sockets.push(await say(port, greetingOf(greeting)));
    await refused;
    for (const socket of sockets) socket.destroy();
  });

  test('hear that rank 0 gave up, without waiting for the end of the time', async () => {
    const zero = net.createServer((socket) => socket.once('data', () => socket.destroy())).listen(0, '127.0.0.1');
    await new Promise((resolve) => zero.once('listening', resolve));
    const { port } = zero.address() as net.AddressInfo;
    const place = { rank: 1, size: 4, address: '127.0.0.1', port, meetSeconds: 600 };
    await expect(Communicator.connect(place)).rejects.toMatchObject({
      code: 'ERR_BURGEON_RANKS',
      message: 'rank 0 (127.0.0.1): ended before all ranks of 4 had come; its own message says why',
    });
    zero.close();
  });
});
