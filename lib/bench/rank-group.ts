// Processes that take the same steps together, for `burgeon bench ranks`.

import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { BurgeonError } from '../errors.ts';
import { freePort } from '../ranks/free-port.ts';
import type { StepVariant } from './model-rows.ts';
import type { RankSetup, TakenStep } from './rank-steps.ts';
import type { RankReply, RankRequest } from './rank-worker.ts';

/** The compiled file beside the compiled this, the source beside the source. */
const worker = new URL(`rank-worker${path.extname(import.meta.url)}`, import.meta.url);

export class RankGroup implements Disposable {
  readonly size: number;
  readonly #ranks: ChildProcess[];

  private constructor(ranks: ChildProcess[]) {
    this.#ranks = ranks;
    this.size = ranks.length;
  }

  /** Starts them; they have met and made their models then. @throws {BurgeonError} what a rank could not do. */
  static async start(setup: Omit<RankSetup, 'rank' | 'port'>): Promise<RankGroup> {
    const port = await freePort();
    // Their own process groups: a Ctrl-C in the terminal reaches the bench only, which ends after this step.
    const group = new RankGroup(
      Array.from({ length: setup.size }, () => fork(worker, { detached: true, serialization: 'advanced' })),
    );
    try {
      await group.#askAll((rank) => ({ setup: { ...setup, rank, port } }));
      return group;
    } catch (error) {
      group[Symbol.dispose]();
      throw error;
    }
  }

  /** A step of all; what each rank took. @throws {BurgeonError} what a rank could not do. */
  async take(variant: StepVariant, step: number): Promise<TakenStep[]> {
    const taken = await this.#askAll(() => ({ variant, step }));
    return taken.map((each) => each!);
  }

  /** The first failure counts: the others fail of it. */
  #askAll(request: (rank: number) => RankRequest): Promise<(TakenStep | null)[]> {
    return Promise.all(this.#ranks.map((child, rank) => ask(child, rank, request(rank))));
  }

  /** At once. */
  [Symbol.dispose](): void {
    for (const child of this.#ranks) child.kill('SIGKILL');
  }
}

function ask(child: ChildProcess, rank: number, request: RankRequest): Promise<TakenStep | null> {
  return new Promise((resolve, reject) => {
    const settle = (work: () => void) => {
      child.off('message', onMessage).off('error', onError).off('exit', onExit);
      work();
    };
    const fail = (message: string, code: BurgeonError['code'] = 'ERR_BURGEON_RANKS') =>
      settle(() => reject(new BurgeonError(code, `rank ${rank}: ${message}`)));
    const onMessage = (reply: RankReply) => {
      if ('failure' in reply) fail(reply.failure, reply.code);
      else settle(() => resolve(reply.done));
    };
    const onError = (error: Error) => fail(error.message);
    const onExit = (code: number | null, signal: string | null) =>
      fail(`expected to measure, its process ended (${signal ?? `exit status ${code}`})`);
    child.on('message', onMessage).on('error', onError).on('exit', onExit);
    // After it has ended an error says so.
    child.send(request, (error) => error && onError(error));
  });
}
