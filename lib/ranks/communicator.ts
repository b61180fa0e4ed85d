// The other processes that train the same model: what they tell each other, over TCP or MPI. Every rank makes the same calls in the
// same order.

import type { NativeCommunicator } from '../addon/binding.ts';
import { loadAddon, native, nativeSync } from '../addon/load.ts';
import { requireObject } from '../config/require.ts';

/** Where a process is among the ranks, and where rank 0 is to be called. */
export interface CommunicatorPlace {
  /** From 0. */
  rank: number;
  /** Number of ranks, at least 2. */
  size: number;
  /** Host of rank 0. */
  address: string;
  /** A free port of that host. */
  port: number;
  /** Path of burgeon's MPI library (`npm run build:mpi`), which carries the data then. Default: TCP. */
  mpiLibrary?: string | undefined;
  /** Seconds that ranks wait for each other in the beginning. Default 60. */
  meetSeconds?: number | undefined;
  /** Seconds after which a rank is given up that says nothing; each says something every second. Default 15. */
  silenceSeconds?: number | undefined;
}

/** Connects this process with all other ranks of a job. One call at a time. */
export class Communicator implements Disposable {
  readonly rank: number;
  readonly size: number;
  /** @internal */
  readonly native: NativeCommunicator;

  private constructor({ rank, size }: CommunicatorPlace, communicator: NativeCommunicator) {
    this.rank = rank;
    this.size = size;
    this.native = communicator;
  }

  /**
   * Resolves when all ranks have met.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG for a place that cannot be; ERR_BURGEON_RANKS naming the ranks that did not come.
   */
  static async connect(place: CommunicatorPlace): Promise<Communicator> {
    requireObject('place of a rank', place);
    const { rank, size, address, port, mpiLibrary = '', meetSeconds = 60, silenceSeconds = 15 } = place;
    const { NativeCommunicator } = loadAddon().binding;
    const communicator = new NativeCommunicator();
    await native(() => communicator.meet({ mpiLibrary, rank, size, address, port, meetSeconds, silenceSeconds }));
    return new Communicator(place, communicator);
  }

  /**
   * Sums numbers of all ranks, element by element and as doubles, in the order of a binary tree over the ranks.
   * @param what names it for people, where a rank is lost in it.
   * @throws {BurgeonError} ERR_BURGEON_RANKS naming the rank that has ended, is silent or gave up.
   */
  sum(numbers: readonly number[], what: string): Promise<number[]> {
    return native(() => this.native.sum(numbers, what));
  }

  /**
   * What rank 0 passes, as JSON keeps it; what the others pass does not count.
   * @throws {BurgeonError} as `sum`.
   */
  async broadcast<Value>(value: Value | undefined, what: string): Promise<Value> {
    const text = this.rank === 0 ? JSON.stringify(value) : '';
    return JSON.parse(await native(() => this.native.broadcast(text, what))) as Value;
  }

  /** Tells the others why this process ends: whatever they wait for fails with these words. */
  giveUp(why: string): void {
    nativeSync(() => this.native.giveUp(why));
  }

  /** Leaves. @throws {BurgeonError} ERR_BURGEON_BUSY while a call is running. */
  close(): void {
    nativeSync(() => this.native.close());
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
