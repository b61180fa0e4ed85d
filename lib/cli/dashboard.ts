// burgeon dashboard: a page of all runs in a directory, as long as this command runs.

import { stat } from 'node:fs/promises';
import { Command } from 'commander';
import { BurgeonError } from '../errors.ts';
import { DashboardServer } from '../report/dashboard/dashboard-server.ts';
import { onStdout } from './colour.ts';
import { interruptSignal } from './interrupt.ts';
import { integerBetween } from './options.ts';

/** Beside that of `train --dashboard`, so that both can be open. */
const defaultPort = 4748;

export function dashboardCommand(): Command {
  return new Command('dashboard')
    .summary('a live page of all runs in a directory')
    .description(
      'Serves a page of all runs in a directory and below, sweeps among them: those that are going on, as they write their ' +
        'metrics, and those that are over. Runs may begin and end meanwhile; the page is there until Ctrl-C.',
    )
    .argument('[directory]', 'where runs are', 'runs')
    .option('--port <n>', 'port of the page; 0: any free one', integerBetween(0, 65_535), defaultPort)
    .option('--host <address>', 'serve it beyond this machine, to those who have the address with its token')
    .addHelpText('after', '\nExamples:\n  burgeon dashboard\n  burgeon dashboard runs --port 0')
    .action(async (directory: string, { port, host }: { port: number; host?: string }) => {
      await requireDirectory(directory);
      const interrupt = interruptSignal(() => {});
      const server = await DashboardServer.start({ directory, port, host });
      console.log(`${onStdout.title(`dashboard of ${directory}:`)} ${server.url}\nCtrl-C ends it; the runs go on`);
      const { signal } = interrupt;
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      await server.close();
      interrupt.release();
    });
}

/** @throws {BurgeonError} ERR_BURGEON_CONFIG for what is no directory. */
async function requireDirectory(directory: string): Promise<void> {
  const found = await stat(directory).catch(() => undefined);
  if (found?.isDirectory()) return;
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `${directory}: expected a directory with runs, found ${found ? 'a file' : 'nothing there'}; \`burgeon train\` makes one in its output`,
  );
}
