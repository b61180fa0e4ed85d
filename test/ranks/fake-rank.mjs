// A rank that trains nothing: node fake-rank.mjs WHAT_RANK_0_DOES WHAT_RANK_1_DOES ... It is gone after a minute, whatever happens.

import process from 'node:process';
import { endWithLauncher } from '../../dist/ranks/end-with-launcher.js';

const does = process.argv[2 + Number(process.env.RANK)];
const stay = () => setTimeout(() => process.exit(99), 60_000);
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1'];

const actions = {
  /** Says what it was told by its environment. */
  tell() {
    const names = ['RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'LOCAL_WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'];
    const told = [...names, 'BURGEON_LAUNCHER', 'BURGEON_THREADS'].map((name) => [name, process.env[name]]);
    console.log(JSON.stringify(Object.fromEntries(told)));
  },
  /** Two lines on either output, the last without an end, one torn in the middle of a character. */
  talk() {
    process.stdout.write('out 1\nout 2');
    const [head, tail] = [Buffer.from('err é\nerr 2').subarray(0, 5), Buffer.from('err é\nerr 2').subarray(5)];
    process.stderr.write(head);
    setTimeout(() => process.stderr.write(tail), 50);
  },
  terminal: () => console.log(`terminals: ${Boolean(process.stdout.isTTY)} ${Boolean(process.stderr.isTTY)}`),
  fail: () => process.exit(3),
  failLater() {
    process.on('SIGUSR2', () => process.exit(4));
    say();
    stay();
  },
  die: () => process.kill(process.pid, 'SIGKILL'),
  /** Stops in an orderly way, when every further signal has had the time to come. */
  stop() {
    let seen = 0;
    for (const name of signals) {
      process.on(name, () => {
        if (seen++ > 0) return;
        setTimeout(() => {
          console.log(`stopped by ${name}, of ${seen} in all`);
          process.exit(130);
        }, 300);
      });
    }
    say();
    stay();
  },
  /** Takes no notice of what asks it to stop. */
  ignore() {
    for (const name of signals) process.on(name, () => console.log(`ignored ${name}`));
    say();
    stay();
  },
  /** Ends with the launcher, in an orderly way. */
  follow() {
    endWithLauncher();
    process.on('SIGTERM', () => process.exit(0));
    say();
    stay();
  },
  /** As `ignore`, but for the time that endWithLauncher gives. */
  followLate() {
    endWithLauncher(300);
    actions.ignore();
  },
  /** Has done its work: the channel to the launcher must not keep it. */
  finish: () => endWithLauncher(),
};
const say = () => console.log(`here ${process.pid}`);

actions[does]();
