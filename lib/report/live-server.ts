// The live page's server: events and a few buttons. It is a guest of the training process: whoever connects, and however slowly
// they read, connections are counted, memory is bounded and no step waits. Without a page open, a step costs next to nothing.

import type { ServerResponse } from 'node:http';
import type { MetricsLine } from '../train/metrics.ts';
import { LiveHttp, reply } from './live-http.ts';
import { LiveRun, type LiveRunOptions } from './live-run.ts';
import { LiveStreams } from './live-streams.ts';
import { findToken, keepToken } from './live-token.ts';

/** What the buttons do. Each returns what to tell the reader. */
export interface LiveControls {
  pause(): string;
  resume(): string;
  checkpoint(): Promise<string>;
  stop(): string;
}

export interface LiveServerOptions extends Pick<LiveRunOptions, 'runDirectory' | 'progress' | 'units'> {
  /** 0: any free one. */
  port: number;
  /** Address to listen on. Default: 127.0.0.1, which only this machine can reach. */
  host?: string | undefined;
  controls: LiveControls;
}

/** Least time between two events: more often nobody can read. */
const eventEveryMs = 500;

export class LiveServer {
  readonly #options: LiveServerOptions;
  readonly #streams = new LiveStreams();
  readonly #run: LiveRun;
  readonly #timer: NodeJS.Timeout;
  #http!: LiveHttp;

  private constructor(options: LiveServerOptions) {
    this.#options = options;
    const { runDirectory, progress, units } = options;
    this.#run = new LiveRun({ runDirectory, streams: this.#streams, progress, units });
    this.#timer = setInterval(() => this.#beat(), eventEveryMs).unref();
  }

  /** Listens. @throws {BurgeonError} as `LiveHttp.listen`. */
  static async start(options: LiveServerOptions): Promise<LiveServer> {
    const { port, host, runDirectory } = options;
    const server = new LiveServer(options);
    try {
      server.#http = await LiveHttp.listen(
        {
          ...{ port, portOption: '--dashboard', host, page: { kind: 'live' } },
          isPage: (path) => path === '/',
          answer: (method, path, response) => server.#answer(method, path, response),
        },
        () => findToken(runDirectory),
      );
    } catch (error) {
      clearInterval(server.#timer);
      throw error;
    }
    return server;
  }

  /** Where the page is, with its token. */
  get url(): string {
    return this.#http.url;
  }

  /** Pages that listen, and bytes kept for them: messages that all share, and what each has not read of one of them. */
  get load(): { streams: number; messageBytes: number; unreadBytes: number[] } {
    const { size, unreadBytes } = this.#streams;
    return { streams: size, messageBytes: this.#run.messageBytes, unreadBytes };
  }

  /** A line of metrics, once it is in the file. */
  take(line: MetricsLine): void {
    // Without it the next run has another address.
    if (line.kind === 'start') keepToken(this.#options.runDirectory, this.#http.token).catch(() => {});
    this.#run.take(line);
  }

  /** Tells the pages what is left, and ends: what has not been read by now never will be. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#sendNews();
    this.#streams.end();
    await this.#http.close();
  }

  async #answer(method: string, path: string, response: ServerResponse): Promise<boolean> {
    if (method === 'GET' && path === '/events') await this.#run.connect(response);
    else if (method === 'POST') await this.#obey(path.slice(1), response);
    else return false;
    return true;
  }

  async #obey(name: string, response: ServerResponse): Promise<void> {
    const { controls } = this.#options;
    if (!Object.hasOwn(controls, name)) return reply(response, 404, 'there is no such button');
    response.setTimeout(0); // a checkpoint takes what it takes
    reply(response, 200, await controls[name as keyof LiveControls]());
    this.#sendNews();
  }

  /** Twice a second. */
  #beat(): void {
    this.#run.addNews(false);
    this.#streams.send();
    this.#streams.keepAlive();
  }

  /** At once, even if little has changed. */
  #sendNews(): void {
    this.#run.addNews(true);
    this.#streams.send();
  }
}
