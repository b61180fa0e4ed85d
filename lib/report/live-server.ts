// The live page's server: node:http, server-sent events, a few POSTs. It is a guest of the training process: whoever connects,
// and however slowly they read, connections are counted, memory is bounded and no step waits. Without a page open, a step costs
// next to nothing.

import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { BurgeonError } from '../errors.ts';
import type { MetricsLine } from '../train/metrics.ts';
import type { UnitShares } from '../train/unit-usage.ts';
import type { LiveEvent, LiveProgress } from './live-events.ts';
import { LiveHistory } from './live-history.ts';
import { LiveMessages } from './live-messages.ts';
import { LiveStream } from './live-stream.ts';
import { findToken, hasToken, keepToken } from './live-token.ts';
import { stageRows } from './stage-rows.ts';
import { pageWith } from './write-report.ts';

/** What the buttons do. Each returns what to tell the reader. */
export interface LiveControls {
  pause(): string;
  resume(): string;
  checkpoint(): Promise<string>;
  stop(): string;
}

export interface LiveServerOptions {
  runDirectory: string;
  /** 0: any free one. */
  port: number;
  /** Address to listen on. Default: 127.0.0.1, which only this machine can reach. */
  host?: string | undefined;
  controls: LiveControls;
  progress: () => LiveProgress;
  /** Shares of units, while the run is open. */
  units: () => { step: UnitShares; run: UnitShares } | undefined;
}

/** Least time between two events: more often nobody can read. */
const eventEveryMs = 500;

/** Least time between two events with shares of units. */
const unitsEveryMs = 2000;

/** Time between two signs of life where there is nothing to tell. */
const aliveEveryMs = 10_000;

/** Pages that may listen at once. */
export const mostStreams = 32;

/** Of any kind: beyond those of pages, of those who are told that there is no room. More are cut off unheard. */
const mostConnections = 512;

/** When those may ask again, in seconds. */
const retryAfter = '30';

/** A request has to come in so much time, and a connection on which nothing moves for so long is cut off. */
const limits = { headersTimeout: 10_000, requestTimeout: 10_000, connectionsCheckingInterval: 2000 };
const idleMs = 30_000;

const loopback = /^(?:localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/i;

export class LiveServer {
  readonly #options: LiveServerOptions;
  readonly #server: http.Server;
  readonly #token: string;
  readonly #history: LiveHistory;
  readonly #messages = new LiveMessages(() => this.#snapshot());
  readonly #streams = new Set<LiveStream>();
  readonly #timer: NodeJS.Timeout;
  /** Lines that are not yet among the messages; none without a page that listens. */
  #lines: MetricsLine[] = [];
  #page: string | undefined;
  #lastUnitsMs = -Infinity;
  #lastAliveMs = 0;
  /** State and step that were told last. */
  #lastTold = '';

  private constructor(options: LiveServerOptions, server: http.Server, token: string) {
    this.#options = options;
    this.#server = server;
    this.#token = token;
    this.#history = new LiveHistory(options.runDirectory);
    server.on('request', (request, response) => {
      // Somebody who goes away in the middle of an answer is no error of ours.
      response.on('error', () => {});
      this.#answer(request, response).catch((error: Error) => {
        if (response.headersSent) response.destroy();
        else reply(response, 500, error.message);
      });
    });
    // A connection that cannot be accepted, such as for want of descriptors, is lost to the page, not to the run.
    server.on('error', () => {});
    this.#timer = setInterval(() => this.#beat(), eventEveryMs).unref();
  }

  /**
   * Listens.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG for a port that is taken or not allowed, and for a host that is none of this
   *   machine's.
   */
  static async start(options: LiveServerOptions): Promise<LiveServer> {
    const { host = '127.0.0.1', port, runDirectory } = options;
    const server = http.createServer(limits);
    server.maxConnections = mostConnections;
    server.timeout = idleMs;
    try {
      server.listen(port, host);
      await once(server, 'listening');
    } catch (cause) {
      throw new BurgeonError('ERR_BURGEON_CONFIG', explain(cause as NodeJS.ErrnoException, host, port), { cause });
    }
    return new LiveServer(options, server, await findToken(runDirectory));
  }

  /** Where the page is. What stands after # the browser keeps to itself: no server, and no other page, sees the token. */
  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    const host = family === 'IPv6' ? `[${address}]` : address;
    return `http://${host}:${port}/#token=${this.#token}`;
  }

  /** Pages that listen, and bytes kept for them: messages that all share, and what each has not read of one of them. */
  get load(): { streams: number; messageBytes: number; unreadBytes: number[] } {
    const unreadBytes = [...this.#streams].map((stream) => stream.unreadBytes);
    return { streams: this.#streams.size, messageBytes: this.#messages.bytes, unreadBytes };
  }

  /** A line of metrics, once it is in the file. */
  take(line: MetricsLine): void {
    this.#history.take(line);
    if (line.kind === 'start') this.#begin();
    else if (this.#streams.size > 0) this.#lines.push(line);
  }

  /** Tells the pages what is left, and ends: what has not been read by now never will be. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#sendNews();
    for (const stream of this.#streams) stream.end();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await setImmediate(); // answers to buttons that have just been given
    this.#server.closeAllConnections();
    await closed;
  }

  /** The run begins, or goes on: everybody begins anew. */
  #begin(): void {
    const { runDirectory } = this.#options;
    // Without it the next run has another address.
    keepToken(runDirectory, this.#token).catch(() => {});
    this.#lines = [];
    this.#messages.restart();
    if (this.#streams.size > 0) void this.#history.load().then(() => this.#send());
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method, headers } = request;
    const path = request.url?.split('?')[0];
    if (!this.#isOurName(headers.host ?? '')) {
      reply(response, 403, 'not allowed: this page is at 127.0.0.1 or localhost only');
    } else if (method === 'GET' && path === '/') {
      this.#page ??= await pageWith({ kind: 'live' });
      response.writeHead(200, { ...guards, 'content-type': 'text/html; charset=utf-8' });
      response.end(this.#page);
    } else if (!hasToken(headers.authorization, this.#token)) {
      reply(response, 401, 'not allowed: open the address that burgeon printed', { 'www-authenticate': 'Bearer' });
    } else if (method === 'GET' && path === '/events') await this.#connect(response);
    else if (method === 'POST') await this.#obey(path!.slice(1), response);
    else reply(response, 404, 'there is nothing at this address');
  }

  /** On this machine only its own names: another that leads here is that of somebody else's page. Elsewhere the token says it all. */
  #isOurName(name: string): boolean {
    return !loopback.test(this.#options.host ?? '127.0.0.1') || loopback.test(name.replace(/:\d+$/, ''));
  }

  async #obey(name: string, response: http.ServerResponse): Promise<void> {
    const { controls } = this.#options;
    if (!Object.hasOwn(controls, name)) return reply(response, 404, 'there is no such button');
    response.setTimeout(0); // a checkpoint takes what it takes
    reply(response, 200, await controls[name as keyof LiveControls]());
    this.#sendNews();
  }

  async #connect(response: http.ServerResponse): Promise<void> {
    if (this.#streams.size >= mostStreams) {
      const text = `the page is open ${mostStreams} times already, and no more are served: close one of them`;
      return reply(response, 503, text, { 'retry-after': retryAfter });
    }
    const stream = new LiveStream(response, this.#messages);
    this.#streams.add(stream);
    response.on('close', () => this.#disconnect(stream));
    response.writeHead(200, { ...guards, 'content-type': 'text/event-stream' });
    response.flushHeaders();
    await this.#history.load();
    stream.send();
  }

  #disconnect(stream: LiveStream): void {
    this.#streams.delete(stream);
    if (this.#streams.size > 0) return;
    this.#lines = [];
    this.#messages.restart();
  }

  /** Twice a second. */
  #beat(): void {
    if (this.#streams.size === 0) return;
    this.#addNews(false);
    this.#send();
    const now = performance.now();
    if (now - this.#lastAliveMs < aliveEveryMs) return;
    this.#lastAliveMs = now;
    for (const stream of this.#streams) stream.keepAlive();
  }

  /** At once, even if little has changed. */
  #sendNews(): void {
    if (this.#streams.size === 0) return;
    this.#addNews(true);
    this.#send();
  }

  #send(): void {
    for (const stream of this.#streams) stream.send();
  }

  #addNews(isForced: boolean): void {
    const now = performance.now();
    const hasUnits = isForced || now - this.#lastUnitsMs >= unitsEveryMs;
    if (hasUnits) this.#lastUnitsMs = now;
    const units = hasUnits ? this.#units() : undefined;
    const progress = this.#options.progress();
    const told = `${progress.state} ${progress.step}`;
    const isNews = hasUnits || told !== this.#lastTold;
    this.#lastTold = told;
    const lines = this.#lines.splice(0);
    if (lines.length === 0 && !isNews) return;
    const totals = lines.findLast((line) => line.kind === 'totals');
    const stages = totals && stageRows(this.#history.run?.start, totals.stages).stages;
    this.#messages.add({ kind: 'news', lines, progress, stages, units });
  }

  /** The run as it is; what others have not been told is told them first, so that nobody hears of it twice. */
  #snapshot(): LiveEvent | undefined {
    const { run } = this.#history;
    if (run === undefined) return undefined;
    this.#addNews(false);
    return { kind: 'history', run, progress: this.#options.progress(), units: this.#units() };
  }

  #units(): LiveEvent['units'] {
    try {
      const units = this.#options.units();
      return units && { step: this.#options.progress().step, units };
    } catch {
      // The run has just been closed. Timers call this, whose errors would end the process.
      return undefined;
    }
  }
}

/** Nobody else may keep an answer, frame it, guess at its type or learn where the reader came from. */
const guards = {
  'cache-control': 'no-store',
  // The rest of the page's policy is in the page, as in a report.
  'content-security-policy': "frame-ancestors 'none'",
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/** An answer that ends its connection: nothing more is read of who asks too much. */
function reply(
  response: http.ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, {
    ...guards,
    'content-type': 'text/plain; charset=utf-8',
    'content-length': String(Buffer.byteLength(text)),
    connection: 'close',
    ...headers,
  });
  response.end(text);
}

function explain({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `--dashboard: port ${port} of ${host} is in use; choose another, or 0 for any that is free`;
    case 'EACCES':
      return `--dashboard: port ${port} of ${host} is not allowed to this user; choose one above 1023, or 0 for any that is free`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `--host: expected an address of this machine, received ${host}; leave it out for this machine alone, or use 0.0.0.0 for all its addresses`;
    default:
      return `--dashboard: cannot listen on port ${port} of ${host}: ${message}`;
  }
}
