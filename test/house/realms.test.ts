// A test runner such as Jest runs a program in a realm of its own, with its own Error, Map and Int32Array: what Node and the
// addon hand out are of another, and `instanceof` says no to them. So lib/ asks isError of errors.ts and `types` of node:util.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const builtins =
  /\binstanceof (Error|\w+Error|Map|Set|Date|RegExp|Promise|URL|AbortSignal|Buffer|DataView|\w*Array\w*)\b/g;
const own = ['BurgeonError'];

test('lib/ does not ask by instanceof for what another realm may have made', () => {
  const files = readdirSync('lib', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const found = files
    .filter((name) => name !== 'errors.ts') // isError
    .flatMap((name) =>
      [...readFileSync(path.join('lib', name), 'utf8').matchAll(builtins)]
        .filter(([, type]) => !own.includes(type!))
        .map(([text]) => `${name}: ${text}`),
    );
  expect(files.length).toBeGreaterThan(200);
  expect(found).toEqual([]);
});
