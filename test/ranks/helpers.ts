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

export async function pair(): Promise<[Communicator, Communicator]> {
  const port = await freePort();
  const place = (rank: number) => ({ rank, size: 2, address: '127.0.0.1', port });
  return Promise.all([Communicator.connect(place(0)), Communicator.connect(place(1))]);
}

/** Trains on two ranks; the outcome of rank 0, and what the other ended with. */
export async function trainOnTwo(
  settings: Settings,
  options: TrainerOptions = {},
  onRecord?: Parameters<typeof train>[2],
): Promise<Outcome> {
  const [first, second] = await pair();
  const following = follow(second);
  try {
    return await train(settings, { ...options, communicator: first }, onRecord);
  } finally {
    await following.catch(() => {});
    first.close();
    second.close();
  }
}
