// Two ranks of one process.
import { createServer } from 'node:net';
import { Communicator } from '../../lib/ranks/communicator.ts';
import { follow } from '../../lib/train/follow.ts';
import type { TrainerOptions } from '../../lib/train/trainer.ts';
import { type Outcome, type Settings, train } from '../train/helpers.ts';

export async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function connected(size: number): Promise<Communicator[]> {
  const port = await freePort();
  const ranks = Array.from({ length: size }, (_, rank) => rank);
  return Promise.all(ranks.map((rank) => Communicator.connect({ rank, size, address: '127.0.0.1', port })));
}

export async function pair(): Promise<[Communicator, Communicator]> {
  return (await connected(2)) as [Communicator, Communicator];
}

/** Trains on so many ranks, 4 at most: each waits in a thread of Node's, which has no more. The outcome of rank 0. */
export const trainOn =
  (size: number): typeof train =>
  async (
    settings: Settings,
    options: TrainerOptions = {},
    onRecord?: Parameters<typeof train>[2],
  ): Promise<Outcome> => {
    if (size === 1) return train(settings, options, onRecord);
    const [first, ...others] = await connected(size);
    const following = others.map((each) => follow(each));
    try {
      return await train(settings, { ...options, communicator: first }, onRecord);
    } finally {
      await Promise.allSettled(following);
      for (const each of [first!, ...others]) each.close();
    }
  };

export const trainOnTwo = trainOn(2);
