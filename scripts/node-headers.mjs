// Where the headers of the running Node are installed, so that a build need not fetch them.
import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';

/** The prefix that holds include/node/node_api.h of this Node, or undefined where only the binary is installed. */
export function installedHeaders() {
  const prefixes = [
    path.dirname(path.dirname(realpathSync(process.execPath))),
    path.dirname(path.dirname(process.execPath)),
  ];
  return prefixes.find((prefix) => existsSync(path.join(prefix, 'include', 'node', 'node_api.h')));
}
