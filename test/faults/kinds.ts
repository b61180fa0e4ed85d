// What may happen to a job of several ranks, and what must be said of it.

import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CounterRng } from '../../lib/est/rng.ts';
import { greetingOf } from '../ranks/greeting.ts';
import { Job, type JobOptions, type Starter } from './job.ts';
import type { Network } from './network.ts';

export const steps = 40;

export interface Scene {
  rng: CounterRng;
  ranks: number;
  /** The rank that it happens to. */
  victim: number;
  options: JobOptions;
  /** A rank here sees shards with a flipped bit, or the data of another text. */
  directories: { damaged: string; other: string };
  network: Network | undefined;
  /** Whether it happens when all train; else at any time from the start on. */
  isTraining: boolean;
}

export interface Kind {
  /** Of 200 trials. */
  weight: number;
  starters: readonly Starter[];
  /** The victim may be rank 0; it alone may where this is 'only'. */
  first: boolean | 'only';
  /** Wants hosts of their own. */
  isNetwork?: boolean;
  /** At any time from the start on, every third time. */
  isAnytime?: boolean;
  /** How the job is started. */
  start?: (scene: Scene) => Partial<JobOptions>;
  /** What happens, once it is time. */
  strike?: (job: Job, scene: Scene) => Promise<unknown> | unknown;
  /** What every survivor says; undefined: nothing, the run goes on to its end. */
  words: ((scene: Scene) => RegExp) | undefined;
  /** As asked, with this status; else with any but 0. */
  status?: number;
  /** More than one interval of checkpoints may be lost. */
  losesMore?: boolean;
}

const all: readonly Starter[] = ['alone', 'alone', 'burgeon', 'mpirun'];
const own: readonly Starter[] = ['alone', 'burgeon'];
const lost = ({ victim }: Scene) => new RegExp(`rank ${victim} \\(.+\\).* rank \\d+ was waiting for rank \\d+ in `);

export const kinds: Record<string, Kind> = {
  'kill -9 of a rank': {
    weight: 50,
    starters: all,
    first: true,
    isAnytime: true,
    strike: (job, { victim }) => job.signal(victim, 'SIGKILL'),
    words: lost,
  },
  'SIGSTOP of a rank': {
    weight: 24,
    starters: own,
    first: true,
    isAnytime: true,
    async strike(job, { victim, options }) {
      job.signal(victim, 'SIGSTOP');
      if (options.starter === 'burgeon') return; // which ends it
      while (job.ranks().size > 1) await sleep(50);
      job.signal(victim, 'SIGKILL');
    },
    words: lost,
  },
  'SIGSTOP, SIGCONT when the others have ended': {
    weight: 12,
    starters: ['alone'],
    first: true,
    async strike(job, { victim }) {
      job.signal(victim, 'SIGSTOP');
      while (job.ranks().size > 1) await sleep(50);
      job.signal(victim, 'SIGCONT');
    },
    words: lost,
  },
  'SIGSTOP for a second': {
    weight: 6,
    starters: own,
    first: true,
    async strike(job, { victim }) {
      job.signal(victim, 'SIGSTOP');
      await sleep(1000);
      job.signal(victim, 'SIGCONT');
    },
    words: undefined,
  },
  'SIGTERM of one rank': {
    weight: 16,
    starters: all,
    first: true,
    strike: (job, { victim }) => job.signal(victim, 'SIGTERM'),
    words: ({ victim }) => (victim > 0 ? new RegExp(`asked to stop: rank ${victim}`) : /stopping, with a checkpoint/),
    status: 143,
  },
  'a full disk under the run': {
    weight: 10,
    starters: own,
    first: 'only',
    start: ({ rng }) => ({ fault: `disk:0:${20 + rng.nextBelow(200)}` }),
    words: () => /ENOSPC|full|no space|room/i,
    losesMore: true,
  },
  'a loss that is no number on one rank': {
    weight: 10,
    starters: all,
    first: true,
    start: ({ rng, victim }) => ({ fault: `nan:${victim}:${1 + rng.nextBelow(steps - 10)}` }),
    words: ({ victim }) => new RegExp(`micro-batch \\d+ \\(rank ${victim}\\): loss: expected a finite number`),
  },
  'a damaged shard on one rank': {
    weight: 8,
    starters: own,
    first: false,
    start: ({ victim, directories }) => ({ fault: `elsewhere:${victim}:${directories.damaged}` }),
    words: ({ victim }) => new RegExp(`rank ${victim} \\(.+\\): .*\\.bin`),
  },
  'other data on one rank': {
    weight: 5,
    starters: own,
    first: false,
    start: ({ victim, directories }) => ({ fault: `elsewhere:${victim}:${directories.other}` }),
    words: ({ victim }) => new RegExp(`rank ${victim} \\(.+\\): .*expected the data of rank 0, found others`),
  },
  'kill -9 of the launcher': {
    weight: 12,
    starters: ['burgeon'],
    first: true,
    isAnytime: true,
    strike: (job) => job.children[0]!.kill('SIGKILL'),
    words: () => /^/,
  },
  'two jobs at one port': {
    weight: 6,
    starters: ['alone'],
    first: true,
    async strike(_, { rng, options }) {
      await sleep(300 * rng.nextFloat());
      await new Job({ ...options, output: `${options.output}-second` }).end();
    },
    words: () => /^$|rank \d+|port \d+/,
    losesMore: true,
  },
  'a rank that never comes': {
    weight: 5,
    starters: ['alone'],
    first: true,
    start: ({ victim }) => ({ absent: [victim] }),
    words: ({ victim }) => new RegExp(`ranks? ${victim}\\b|rank 0 \\(.*(its own message|cannot be reached)`),
  },
  'a rank of another number of ranks': {
    weight: 4,
    starters: ['alone'],
    first: false,
    start: ({ victim, ranks }) => ({
      own: (rank) => (rank === victim ? { WORLD_SIZE: String(2 * ranks), LOCAL_WORLD_SIZE: String(2 * ranks) } : {}),
    }),
    words: ({ victim }) =>
      new RegExp(`rank ${victim} \\(.+it says it is one of|rank 0 \\(.*(its own message|cannot be reached)`),
  },
  'a rank of another version': {
    weight: 4,
    starters: ['alone'],
    first: false,
    start: ({ victim }) => ({ absent: [victim] }),
    strike: (_, { options, victim, ranks }) =>
      connect(options.port, greetingOf({ rank: victim, size: ranks, version: '0.0.1' })),
    words: ({ victim }) =>
      new RegExp(`rank ${victim} \\(.+another version|rank 0 \\(.*(its own message|cannot be reached)`),
  },
  'strangers at the port': {
    weight: 6,
    starters: ['alone'],
    first: true,
    strike: (_, { options, rng }) =>
      Promise.all(
        Array.from({ length: 1 + rng.nextBelow(6) }, () =>
          connect(options.port, Buffer.from('GET / HTTP/1.1\r\n\r\n'.repeat(9))),
        ),
      ),
    words: undefined,
  },
  'the network of a host cut': {
    weight: 10,
    starters: ['alone'],
    first: true,
    isNetwork: true,
    strike: (_, { network, victim }) => network!.plug(victim, 'down'),
    // A host that is cut off cannot tell which of the others is not.
    words: () => /rank \d+ \(.+\) has been silent for 4 s .* rank \d+ was waiting for rank \d+ in /,
  },
  'the network between two hosts cut': {
    weight: 6,
    starters: ['alone'],
    first: false,
    isNetwork: true,
    strike: (_, { network, victim, ranks }) => network!.part(victim, ranks === 2 ? 0 : victim === 3 ? 2 : 3),
    words: () => /rank \d+ \(.+\) has been silent for 4 s .* rank \d+ was waiting for rank \d+ in /,
  },
  'the network of a host cut for a second': {
    weight: 6,
    starters: ['alone'],
    first: true,
    isNetwork: true,
    async strike(_, { network, victim }) {
      network!.plug(victim, 'down');
      await sleep(1000);
      network!.plug(victim, 'up');
    },
    words: undefined,
  },
};

/** Says something at a port, as soon as somebody listens. */
async function connect(port: number, bytes: Buffer): Promise<void> {
  const end = performance.now() + 10_000;
  while (performance.now() < end) {
    const isDone = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
      socket.on('error', () => resolve(false));
      socket.on('data', () => {});
      socket.on('close', () => resolve(true));
      socket.setTimeout(3000, () => socket.destroy());
    });
    if (isDone) return;
    await sleep(20);
  }
}
