// native/sources.json names what is compiled: a test that it lacks would never run.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';

test('every native test is compiled', async () => {
  const native = path.resolve(import.meta.dirname, '../../native');
  const { tests } = JSON.parse(await readFile(path.join(native, 'sources.json'), 'utf8'));
  const files = (await readdir(path.join(native, 'test'))).filter((file) => file.endsWith('.cc'));
  expect(files.length).toBeGreaterThan(20);
  // Libraries of their own.
  const libraries = ['other_cuda_library.cc', 'cublaslt_stand_in.cc', 'nccl_stand_in.cc'];
  const expected = files.filter((file) => !libraries.includes(file)).map((file) => `native/test/${file}`);
  expect([...tests].sort()).toEqual(expected.sort());
});
