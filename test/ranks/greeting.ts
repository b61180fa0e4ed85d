// What a rank says first on a connection, as native/core/meeting.cc has it: magic, rank, size, whether it watches, its port, version.

import { packageVersion } from '../../lib/package.ts';

export function greetingOf({ rank = 1, size = 2, version = packageVersion }): Buffer {
  const greeting = Buffer.alloc(56);
  greeting.write('burgeon1', 0, 'latin1');
  greeting.writeInt32LE(rank, 8);
  greeting.writeInt32LE(size, 12);
  greeting.writeInt32LE(1, 16);
  greeting.write(version, 24, 'latin1');
  return greeting;
}
