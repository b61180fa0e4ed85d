// The HTTP side of live pages, whoever serves them: node:http on an address of this machine, a token, limits on connections, and
// answers that nobody else can frame or keep. What there is to ask for is told by who serves.

import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { BurgeonError } from '../errors.ts';
import { hasToken } from './live-token.ts';
import type { PageData } from './page-data.ts';
import { pageWith } from './write-report.ts';

export interface LiveHttpOptions {
  /** 0: any free one. */
  port: number;
  /** The option that gives the port, for messages. */
  portOption: '--dashboard' | '--port';
  /** Address to listen on. Default: 127.0.0.1, which only this machine can reach. */
  host?: string | undefined;
  /** What the page has in it; nothing of a run, because it is sent to everybody. */
  page: PageData;
  /** Addresses of the page. */
  isPage(path: string): boolean;
  /** Answers a request of somebody who has the token. @returns false: there is nothing at this address. */
  answer(method: string, path: string, response: http.ServerResponse): Promise<boolean>;
}

/** Of any kind: beyond those of pages, of those who are told that there is no room. More are cut off unheard. */
const mostConnections = 512;

/** A request has to come in so much time, and a connection on which nothing moves for so long is cut off. */
const limits = { headersTimeout: 10_000, requestTimeout: 10_000, connectionsCheckingInterval: 2000 };
const idleMs = 30_000;

const loopback = /^(?:localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/i;

export class LiveHttp {
  readonly #options: LiveHttpOptions;
  readonly #server: http.Server;
  readonly #token: string;
  #page: string | undefined;

  private constructor(options: LiveHttpOptions, server: http.Server, token: string) {
    this.#options = options;
    this.#server = server;
    this.#token = token;
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
  }

  /**
   * Listens, and then looks for the token.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG for a port that is taken or not allowed, and for a host that is none of this
   *   machine's.
   */
  static async listen(options: LiveHttpOptions, findToken: () => Promise<string>): Promise<LiveHttp> {
    const { host = '127.0.0.1', port, portOption } = options;
    const server = http.createServer(limits);
    server.maxConnections = mostConnections;
    server.timeout = idleMs;
    try {
      server.listen(port, host);
      await once(server, 'listening');
    } catch (cause) {
      const message = explain(cause as NodeJS.ErrnoException, host, `${portOption}: `, port);
      throw new BurgeonError('ERR_BURGEON_CONFIG', message, { cause });
    }
    return new LiveHttp(options, server, await findToken());
  }

  get token(): string {
    return this.#token;
  }

  /** Where the page is. What stands after # the browser keeps to itself: no server, and no other page, sees the token. */
  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    const host = family === 'IPv6' ? `[${address}]` : address;
    return `http://${host}:${port}/#token=${this.#token}`;
  }

  /** Ends: what has not been read by now never will be. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    await setImmediate(); // answers to buttons that have just been given
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method = '', headers } = request;
    const path = request.url?.split('?')[0] ?? '';
    if (!this.#isOurName(headers.host ?? '')) {
      reply(response, 403, 'not allowed: this page is at 127.0.0.1 or localhost only');
    } else if (method === 'GET' && this.#options.isPage(path)) {
      this.#page ??= await pageWith(this.#options.page);
      response.writeHead(200, { ...guards, 'content-type': 'text/html; charset=utf-8' });
      response.end(this.#page);
    } else if (!hasToken(headers.authorization, this.#token)) {
      reply(response, 401, 'not allowed: open the address that burgeon printed', { 'www-authenticate': 'Bearer' });
    } else if (!(await this.#options.answer(method, path, response))) {
      reply(response, 404, 'there is nothing at this address');
    }
  }

  /** On this machine only its own names: another that leads here is that of somebody else's page. Elsewhere the token says it all. */
  #isOurName(name: string): boolean {
    return !loopback.test(this.#options.host ?? '127.0.0.1') || loopback.test(name.replace(/:\d+$/, ''));
  }
}

/** Nobody else may keep an answer, frame it, guess at its type or learn where the reader came from. */
export const guards = {
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
export function reply(
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

function explain({ code, message }: NodeJS.ErrnoException, host: string, option: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `${option}port ${port} of ${host} is in use; choose another, or 0 for any that is free`;
    case 'EACCES':
      return `${option}port ${port} of ${host} is not allowed to this user; choose one above 1023, or 0 for any that is free`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `--host: expected an address of this machine, received ${host}; leave it out for this machine alone, or use 0.0.0.0 for all its addresses`;
    default:
      return `${option}cannot listen on port ${port} of ${host}: ${message}`;
  }
}
