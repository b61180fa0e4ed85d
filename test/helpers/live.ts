// The live page without a browser: its address taken apart, and clients that ask for its events and then read nothing.

import { once } from 'node:events';
import net from 'node:net';

/** The parts of an address that burgeon prints. */
export function liveAddress(url: string) {
  const { origin, port, hash } = new URL(url);
  const token = new URLSearchParams(hash.slice(1)).get('token') ?? '';
  const at = (path: string) => origin + path;
  return { at, port: Number(port), token, headers: { authorization: `Bearer ${token}` } };
}

/** Presses a button. */
export function press(url: string, name: string): Promise<Response> {
  const { at, headers } = liveAddress(url);
  return fetch(at(`/${name}`), { method: 'POST', headers });
}

export interface StalledClient {
  /** Of the answer; undefined where there was none. */
  status: number | undefined;
  /** The answer, as far as its first piece reaches. */
  head: string;
  socket: net.Socket;
}

/** A client that asks for the events and reads the first piece of the answer, no more. */
export async function stalledClient(url: string): Promise<StalledClient> {
  const { port, token } = liveAddress(url);
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  const nothing = () => '';
  socket.write(`GET /events HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${token}\r\n\r\n`);
  const first = once(socket, 'data').then(([piece]) => String(piece), nothing);
  const head = await Promise.race([first, once(socket, 'close').then(nothing, nothing)]);
  socket.pause();
  const status = /^HTTP\/1\.1 (\d+)/.exec(head)?.[1];
  return { status: status === undefined ? undefined : Number(status), head, socket };
}

export function stalledClients(url: string, count: number): Promise<StalledClient[]> {
  return Promise.all(Array.from({ length: count }, () => stalledClient(url)));
}
