// A storm of refusals (part of npm run test:places): of every command that writes, every call that changes a file is refused, once or from
// then on, as by a disk that is full, broken or read-only. trial.ts says what must hold.

import path from 'node:path';
import { afterAll, beforeAll, test } from 'vitest';
import type { Workspace } from '../cli/workspace.ts';
import { commands } from './commands.ts';
import { expectLawful, messages, prepareCommand, type Trial, tally } from './trial.ts';
import { callsOf, createTemplate, remove } from './workplace.ts';

const failer = path.join(import.meta.dirname, 'fail-at.mjs');
const codes = ['ENOSPC', 'EACCES', 'EIO', 'EROFS', 'EMFILE', 'EDQUOT'];

let template: Workspace;
beforeAll(async () => {
  template = await createTemplate();
});
afterAll(async () => {
  const { trials, refused, without } = tally;
  console.log(
    `${trials} trials: ${refused} ended with a message, ${without} did without\n${[...messages].sort().join('\n')}`,
  );
  await template.remove();
});

test.each(Object.entries(commands))('%s', { timeout: 3_600_000 }, async (name, { stride = 1 }) => {
  const log = `${template.path()}.calls`;
  const node = ['--import', failer];
  const prepared = await prepareCommand(name, template.path(), { node, env: { CALLS_LOG: log } });
  const calls = await callsOf(log);
  await remove(log);
  const trials: Trial[] = [];
  for (let i = 0; i < calls.length; i += stride) {
    const refusals = [`${codes[i % codes.length]}:once`, `${codes[(i + 3 + Math.floor(i / 6)) % codes.length]}:on`];
    for (const refusal of refusals) {
      const failAt = `${i + 1}:${refusal}`;
      trials.push({ what: `FAIL_AT=${failAt} (${calls[i]})`, node, env: { FAIL_AT: failAt } });
    }
  }
  await expectLawful(prepared, trials);
});
