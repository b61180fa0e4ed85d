// Hosts of one machine: a network namespace for each rank, all on one bridge. Only root can make them.

import { execFileSync } from 'node:child_process';
import process from 'node:process';

const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });

export const addressOf = (rank: number) => `10.77.0.${rank + 1}`;

export class Network {
  readonly #name: string;
  readonly #ranks: number;

  constructor(number: number, ranks: number) {
    this.#name = `b${process.pid}-${number}`;
    this.#ranks = ranks;
    const bridge = this.#name;
    ip('netns', 'add', bridge);
    ip('-n', bridge, 'link', 'add', 'br0', 'type', 'bridge');
    ip('-n', bridge, 'link', 'set', 'br0', 'up');
    for (let rank = 0; rank < ranks; rank++) {
      const host = this.#host(rank);
      ip('netns', 'add', host);
      ip('link', 'add', 'eth0', 'netns', host, 'type', 'veth', 'peer', 'name', `p${rank}`, 'netns', bridge);
      ip('-n', host, 'addr', 'add', `${addressOf(rank)}/24`, 'dev', 'eth0');
      for (const device of ['lo', 'eth0']) ip('-n', host, 'link', 'set', device, 'up');
      ip('-n', bridge, 'link', 'set', `p${rank}`, 'master', 'br0', 'up');
    }
  }

  #host = (rank: number) => `${this.#name}-${rank}`;

  /** What starts a program on the host of a rank. */
  by = (rank: number): string[] => ['ip', 'netns', 'exec', this.#host(rank)];

  /** Pulls the cable of a host, or puts it back. */
  plug(rank: number, state: 'up' | 'down'): void {
    ip('-n', this.#name, 'link', 'set', `p${rank}`, state);
  }

  /** Two hosts hear each other no longer; all others do. */
  part(one: number, other: number): void {
    ip('-n', this.#host(one), 'route', 'add', 'blackhole', `${addressOf(other)}/32`);
    ip('-n', this.#host(other), 'route', 'add', 'blackhole', `${addressOf(one)}/32`);
  }

  remove(): void {
    for (let rank = 0; rank < this.#ranks; rank++) ip('netns', 'del', this.#host(rank));
    ip('netns', 'del', this.#name);
  }
}

/** Whether such a network can be made here. */
export function canMakeNetworks(): boolean {
  try {
    new Network(0, 1).remove();
    return true;
  } catch {
    return false;
  }
}
