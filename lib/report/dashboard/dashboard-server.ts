// The dashboard: all runs of a directory, while they are going on and afterwards. It reads what runs write and asks their locks who
// lives; it needs no process that trains, and none needs it. Without a page open it does nothing.

import type { ServerResponse } from 'node:http';
import path from 'node:path';
import type { DashboardEvent, RunOverview } from '../live-events.ts';
import { guards, LiveHttp, reply } from '../live-http.ts';
import { LiveMessages } from '../live-messages.ts';
import { LiveStreams } from '../live-streams.ts';
import { findToken, keepToken } from '../live-token.ts';
import { readReport } from '../write-report.ts';
import { findRuns } from './find-runs.ts';
import { FollowedRun } from './followed-run.ts';

export interface DashboardOptions {
  directory: string;
  /** 0: any free one. */
  port: number;
  /** Address to listen on. Default: 127.0.0.1, which only this machine can reach. */
  host?: string | undefined;
}

/** Between two looks at the runs, and between two at which there are. */
const lookEveryMs = 1000;
const findEveryMs = 3000;

/** More are a sweep, which has a report of its own. */
const mostCompared = 64;

/** Runs read at once. */
const atOnce = 4;

export class DashboardServer {
  readonly #directory: string;
  readonly #streams = new LiveStreams();
  readonly #list = new LiveMessages(() => this.#listEvent());
  readonly #timer: NodeJS.Timeout;
  #http!: LiveHttp;
  #runs = new Map<string, FollowedRun>();
  #overviews: RunOverview[] | undefined;
  #lastFoundMs = -Infinity;
  #looking: Promise<void> | undefined;

  private constructor(directory: string) {
    this.#directory = directory;
    this.#timer = setInterval(() => {
      if (this.#streams.size > 0) void this.#look();
    }, lookEveryMs);
  }

  /** Listens until it is closed. @throws {BurgeonError} as `LiveHttp.listen`. */
  static async start({ directory, port, host }: DashboardOptions): Promise<DashboardServer> {
    const server = new DashboardServer(directory);
    try {
      server.#http = await LiveHttp.listen(
        {
          ...{ port, portOption: '--port', host, page: { kind: 'dashboard' } },
          isPage: (address) => address === '/' || /^\/(?:run|compare)\//.test(address),
          answer: (method, address, response) => server.#answer(method, address, response),
        },
        () => findToken(directory),
      );
    } catch (error) {
      clearInterval(server.#timer);
      throw error;
    }
    // Without it the next dashboard of the directory has another address.
    await keepToken(directory, server.#http.token).catch(() => {});
    return server;
  }

  /** Where the page is, with its token. */
  get url(): string {
    return this.#http.url;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#streams.end();
    await this.#http.close();
    await this.#looking;
  }

  async #answer(method: string, address: string, response: ServerResponse): Promise<boolean> {
    const [, what, name] = /^\/(events|report)(?:\/(.+))?$/.exec(address) ?? [];
    if (method !== 'GET' || what === undefined) return false;
    if (what === 'report') await this.#sendReport((name ?? '').split('&').map(decoded), response);
    else if (name === undefined) await this.#connectList(response);
    else await this.#connectRun(decoded(name), response);
    return true;
  }

  /** Several runs as they are now, compared with the first of them. */
  async #sendReport(names: readonly string[], response: ServerResponse): Promise<void> {
    if (names.length > mostCompared) {
      return reply(response, 400, `expected at most ${mostCompared} runs to compare, received ${names.length}`);
    }
    if (names.some((name) => !this.#runs.has(name))) await this.#find();
    const runs = names.flatMap((name) => this.#runs.get(name) ?? []);
    const missing = names.find((name) => !this.#runs.has(name));
    if (missing !== undefined) return reply(response, 404, `there is no run ${missing} in ${this.#directory}`);
    const report = await readReport(runs.map(({ directory }) => directory));
    response.writeHead(200, { ...guards, 'content-type': 'application/json' }).end(JSON.stringify(report));
  }

  async #connectList(response: ServerResponse): Promise<void> {
    const stream = this.#streams.open(response, this.#list);
    if (stream === undefined) return;
    await this.#look();
    stream.send();
  }

  async #connectRun(name: string, response: ServerResponse): Promise<void> {
    if (!this.#runs.has(name)) await this.#find();
    const run = this.#runs.get(name);
    if (run === undefined) return reply(response, 404, `there is no run ${name} in ${this.#directory}`);
    // Its pages begin with the lines that are there.
    await run.look();
    await run.live.connect(response);
  }

  /** Looks at all runs, and tells the pages. Who asks meanwhile gets the same look. */
  #look(): Promise<void> {
    this.#looking ??= this.#lookAtAll().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookAtAll(): Promise<void> {
    if (performance.now() - this.#lastFoundMs >= findEveryMs) await this.#find();
    const waiting = [...this.#runs.values()];
    const work = async () => {
      // One that cannot be read now, such as one that is being deleted, is as it was.
      for (let run = waiting.pop(); run; run = waiting.pop()) await run.look().catch(() => {});
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    const overviews = [...this.#runs.values()].map(({ overview }) => overview);
    if (JSON.stringify(overviews) !== JSON.stringify(this.#overviews)) {
      this.#overviews = overviews;
      this.#list.restart();
    }
    this.#streams.send();
    this.#streams.keepAlive();
  }

  /** Which runs there are. One that is gone ends the streams of its pages. */
  async #find(): Promise<void> {
    this.#lastFoundMs = performance.now();
    const found = await findRuns(this.#directory).catch(() => []);
    const own = path.basename(path.resolve(this.#directory));
    const names = new Map(found.map((inside) => [inside === '.' ? own : inside, inside]));
    for (const [name, run] of this.#runs) {
      if (names.has(name)) continue;
      this.#runs.delete(name);
      run.live.end();
    }
    for (const [name, inside] of names) {
      if (this.#runs.has(name)) continue;
      this.#runs.set(name, new FollowedRun(name, path.join(this.#directory, inside), this.#streams));
    }
  }

  #listEvent(): DashboardEvent | undefined {
    return this.#overviews && { kind: 'runs', directory: this.#directory, runs: this.#overviews };
  }
}

/** The name of a run in an address; any that there is none of where it is not well made. */
function decoded(address: string): string {
  try {
    return decodeURIComponent(address);
  } catch {
    return address;
  }
}
