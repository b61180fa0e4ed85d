// Places where nothing can be written (part of npm run test:places): what a command writes is read-only, another user's, a directory, a link
// to nothing or a pipe that nobody reads. The commands run as a user without privileges, which only root can arrange. trial.ts says what
// must hold.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { isMissing } from '../../lib/files/is-missing.ts';
import type { Workspace } from '../cli/workspace.ts';
import { commands } from './commands.ts';
import { expectLawful, messages, type Prepared, prepareCommand, type Trial, tally } from './trial.ts';
import { createTemplate } from './workplace.ts';

const isRoot = process.getuid?.() === 0;
/** Nobody. */
const user = '65534';
const by = ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups'];
const own = (directory: string) => execFileSync('chown', ['-hR', `${user}:${user}`, directory]);

let template: Workspace;
beforeAll(async () => {
  template = await createTemplate();
  execFileSync('chmod', ['-R', 'a+rX', template.path()]);
});
afterAll(async () => {
  const { trials, refused, without } = tally;
  console.log(
    `${trials} trials: ${refused} ended with a message, ${without} did without\n${[...messages].sort().join('\n')}`,
  );
  if (!isRoot) console.log('places were left out: they need root, who may be another user');
  await template.remove();
});

/** What may stand in the place of a file or directory. */
const obstacles: Record<string, (place: string) => Promise<unknown>> = {
  'a directory': (place) => mkdir(path.join(place, 'mine'), { recursive: true }),
  'a link to nothing': (place) => symlink('/nonexistent/place', place),
  'a pipe': async (place) => execFileSync('mkfifo', [place]),
};

/** Of another user, and not to be written. */
const closed: Record<string, (place: string) => Promise<unknown>> = {
  'read-only': (place) => chmod(place, 0o555),
  "another user's": (place) => chown(place, 0, 0),
};

describe.runIf(isRoot).each(Object.keys(commands))('%s', { timeout: 3_600_000 }, (name) => {
  test('where something else stands', async () => {
    const prepared = await prepareCommand(name, template.path());
    const trials = placesOf(prepared).flatMap((place) =>
      Object.entries(obstacles).map(([kind, put]): Trial => {
        const at = (directory: string) => path.join(directory, place);
        const kept = (directory: string) => `${directory}.kept`;
        return {
          what: `${place} is ${kind}`,
          place,
          by,
          again: { by },
          disturb: async (directory) => {
            await rename(at(directory), kept(directory)).catch(ignoreMissing);
            await mkdir(path.dirname(at(directory)), { recursive: true });
            await put(at(directory));
            for (const each of [directory, kept(directory)]) if (existsSync(each)) own(each);
          },
          restore: async (directory) => {
            await rm(at(directory), { recursive: true, force: true });
            await rename(kept(directory), at(directory)).catch(ignoreMissing);
          },
          clear: (directory) => rm(kept(directory), { recursive: true, force: true }),
        };
      }),
    );
    await expectLawful(prepared, trials);
  });

  test('where it may not write', async () => {
    const prepared = await prepareCommand(name, template.path());
    const places = ['.', ...placesOf(prepared)];
    const trials = places.flatMap((place) =>
      Object.entries(closed).map(
        ([kind, close]): Trial => ({
          what: `${place} is ${kind}`,
          by,
          again: { by },
          disturb: async (directory) => {
            own(directory);
            await close(path.join(directory, place)).catch(ignoreMissing);
          },
          restore: async (directory) => {
            await chmod(path.join(directory, place), 0o755).catch(() => {});
            own(directory);
          },
        }),
      ),
    );
    await expectLawful(prepared, trials);
  });
});

/** All that a command writes, the directories that hold it too, and what is there for a while. */
function placesOf({ command, undisturbed }: Prepared): string[] {
  const isOutput = (name: string) => command.outputs.some((output) => name === output || name.startsWith(`${output}/`));
  // A checkpoint appears whole: nothing can stand in it before.
  const files = Object.keys(undisturbed).filter((name) => isOutput(name) && !name.includes('checkpoint-'));
  const places = new Set(files);
  for (const file of files) for (let up = path.dirname(file); up !== '.'; up = path.dirname(up)) places.add(up);
  for (const output of command.outputs) {
    places.add(`${output}${output.includes('.') ? '.new' : '.partial'}`);
    if (!output.includes('.')) places.add(`${output}/.burgeon.lock`);
  }
  return [...places].sort();
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}
