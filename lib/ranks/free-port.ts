// A port for ranks to meet at.

import { createServer } from 'node:net';

/** One that nothing listens to. It is given back before rank 0 takes it, and the system hands out others meanwhile. */
export function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
