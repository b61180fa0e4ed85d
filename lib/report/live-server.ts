// The live page's server: node:http, server-sent events, a few POSTs. History is read from the metrics file whenever a page
// connects, so a reload or a restart of the run loses nothing; without a page open, a step costs next to nothing.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { BurgeonError } from '../errors.ts';
import { makeDirectory } from '../files/make-directory.ts';
import type { MetricsLine, StartLine } from '../train/metrics.ts';
import type { UnitShares } from '../train/unit-usage.ts';
import type { LiveEvent, LiveProgress } from './live-events.ts';
import { readRun } from './read-run.ts';
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
  /** Address to listen on; anything but a loopback address makes a token necessary. */
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

/** A page that does not read is cut off at so many bytes; it connects again when it does. */
const mostUnread = 16 << 20;

const tokenFileName = '.burgeon.token';

const loopback = /^(?:localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/;

interface Client {
  response: http.ServerResponse;
  /** Lines that it has not been sent; undefined until it has the history. */
  lines: MetricsLine[];
  hasHistory: boolean;
}

export class LiveServer {
  readonly #options: LiveServerOptions;
  readonly #server: http.Server;
  readonly #token: string;
  readonly #clients = new Set<Client>();
  readonly #timer: NodeJS.Timeout;
  #start: StartLine | undefined;
  #lastUnitsMs = -Infinity;
  /** State and step that were told last. */
  #lastTold = '';

  private constructor(options: LiveServerOptions, server: http.Server, token: string) {
    this.#options = options;
    this.#server = server;
    this.#token = token;
    server.on('request', (request, response) => {
      this.#answer(request, response).catch((error: Error) => {
        if (response.headersSent) response.destroy();
        else reply(response, 500, error.message);
      });
    });
    this.#timer = setInterval(() => this.#sendNews(), eventEveryMs).unref();
  }

  /**
   * Listens.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG for a port that is taken or not allowed, and for a host that is none of this
   *   machine's.
   */
  static async start(options: LiveServerOptions): Promise<LiveServer> {
    const { host = '127.0.0.1', port, runDirectory } = options;
    const server = http.createServer();
    try {
      server.listen(port, host);
      await once(server, 'listening');
    } catch (cause) {
      throw new BurgeonError('ERR_BURGEON_CONFIG', explain(cause as NodeJS.ErrnoException, host, port), { cause });
    }
    return new LiveServer(options, server, loopback.test(host) ? '' : await tokenOf(runDirectory));
  }

  /** Where the page is. */
  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    const host = family === 'IPv6' ? `[${address}]` : address;
    return `http://${host}:${port}/${this.#token === '' ? '' : `?token=${this.#token}`}`;
  }

  /** A line of metrics, once it is in the file. */
  take(line: MetricsLine): void {
    if (line.kind === 'start') {
      this.#start = line;
      // The file may have been cut: everybody begins anew.
      for (const client of this.#clients) void this.#sendHistory(client);
      return;
    }
    for (const { lines } of this.#clients) lines.push(line);
  }

  /** Sends what is left and closes all connections. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#sendNews(true);
    for (const { response } of this.#clients) response.end();
    this.#server.close();
    // Pages are read out; what keeps a connection open without reading is cut off.
    const late = setTimeout(() => this.#server.closeAllConnections(), 500);
    await once(this.#server, 'close');
    clearTimeout(late);
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://page');
    if (!this.#isAllowed(request, searchParams.get('token') ?? '')) {
      reply(response, 403, 'not allowed: open the address that burgeon printed');
    } else if (request.method === 'GET' && pathname === '/') {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...noStore });
      response.end(await pageWith({ kind: 'live', token: this.#token }));
    } else if (request.method === 'GET' && pathname === '/events') {
      await this.#connect(response);
    } else if (request.method === 'POST') {
      await this.#obey(pathname.slice(1), request, response);
    } else reply(response, 404, 'there is nothing at this address');
  }

  /** The token where there is one; else a page that this server itself sent, whatever name leads to it elsewhere. */
  #isAllowed({ headers }: http.IncomingMessage, token: string): boolean {
    if (this.#token !== '') return timingSafeEqual(digest(token), digest(this.#token));
    return loopback.test((headers.host ?? '').replace(/:\d+$/, ''));
  }

  async #obey(name: string, request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { controls } = this.#options;
    // A header that a form on another site cannot set.
    if (request.headers['x-burgeon'] === undefined) return reply(response, 403, 'not allowed');
    if (!Object.hasOwn(controls, name)) return reply(response, 404, 'there is no such button');
    reply(response, 200, await controls[name as keyof LiveControls]());
    this.#sendNews(true);
  }

  async #connect(response: http.ServerResponse): Promise<void> {
    response.writeHead(200, { 'content-type': 'text/event-stream', ...noStore });
    response.write('retry: 1000\n\n');
    const client: Client = { response, lines: [], hasHistory: false };
    this.#clients.add(client);
    response.on('close', () => this.#clients.delete(client));
    await this.#sendHistory(client);
  }

  async #sendHistory(client: Client): Promise<void> {
    client.hasHistory = false;
    client.lines = [];
    // What is written while this reads comes as news, and the page passes over what it has.
    const run = await readRun(this.#options.runDirectory).catch(() => undefined);
    client.hasHistory = true;
    if (run?.start === undefined) return; // not begun: the start line brings everybody here again
    this.#start ??= run.start;
    this.#send(client, { kind: 'history', run, progress: this.#options.progress(), units: this.#units() });
  }

  #sendNews(isForced = false): void {
    const ready = [...this.#clients].filter(({ hasHistory }) => hasHistory);
    if (ready.length === 0) return;
    const now = performance.now();
    const hasUnits = isForced || now - this.#lastUnitsMs >= unitsEveryMs;
    if (hasUnits) this.#lastUnitsMs = now;
    const units = hasUnits ? this.#units() : undefined;
    const progress = this.#options.progress();
    const told = `${progress.state} ${progress.step}`;
    const isNews = hasUnits || told !== this.#lastTold;
    this.#lastTold = told;
    for (const client of ready) {
      const lines = client.lines.splice(0);
      if (lines.length === 0 && !isNews) continue;
      const totals = lines.findLast((line) => line.kind === 'totals');
      const stages = totals && stageRows(this.#start, totals.stages).stages;
      this.#send(client, { kind: 'news', lines, progress, stages, units });
    }
  }

  #units(): LiveEvent['units'] {
    const units = this.#options.units();
    return units && { step: this.#options.progress().step, units };
  }

  #send({ response }: Client, event: LiveEvent): void {
    if (response.writableLength > mostUnread) response.destroy();
    else response.write(`data: ${JSON.stringify(event)}\n\n`);
  }
}

const noStore = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' };

function reply(response: http.ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...noStore });
  response.end(text);
}

const digest = (text: string) => createHash('sha256').update(text).digest();

/** The run's own token, so that an address stays good when the run is restarted. */
async function tokenOf(runDirectory: string): Promise<string> {
  const file = path.join(runDirectory, tokenFileName);
  const known = await readFile(file, 'utf8').catch(() => '');
  if (/^[\w-]{32}$/.test(known)) return known;
  const token = randomBytes(24).toString('base64url');
  await makeDirectory(runDirectory);
  await writeFile(file, token, { mode: 0o600 });
  return token;
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
