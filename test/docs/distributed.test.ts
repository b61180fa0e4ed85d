// docs/distributed.md against the program: what its manifest sets makes ranks that find each other.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { packageRoot } from '../../lib/package.ts';
import { detectRank } from '../../lib/ranks/environment.ts';

const page = await readFile(path.join(packageRoot, 'docs', 'distributed.md'), 'utf8');

interface Variable {
  name: string;
  value?: string;
}

test('the manifest of Kubernetes', () => {
  const manifest = /^```yaml\n(.*?)^```$/ms.exec(page)![1]!;
  const [service, job] = parseAllDocuments(manifest).map((document) => document.toJS({}));
  const { completions, parallelism, template } = job.spec;
  const variables: Variable[] = template.spec.containers[0].env;
  const environment = Object.fromEntries(variables.map(({ name, value }) => [name, value]));
  expect(parallelism).toBe(completions);
  expect(service.spec.selector).toEqual({ 'job-name': job.metadata.name });
  expect(template.spec.subdomain).toBe(service.metadata.name);
  for (const rank of [0, completions - 1]) {
    expect(detectRank({ ...environment, RANK: String(rank) })).toEqual({
      ...{ rank, size: completions, localRank: 0, localSize: 1, launcher: 'torchrun' },
      ...{ address: `${job.metadata.name}-0.${service.metadata.name}`, port: 29500 },
    });
  }
});

test('variables that the page names are those that are read', async () => {
  const sources = await Promise.all(
    ['environment', 'slurm', 'threads'].map((name) =>
      readFile(path.join(packageRoot, 'lib', 'ranks', `${name}.ts`), 'utf8'),
    ),
  );
  const named = [...page.matchAll(/\b(?:RANK|(?:WORLD|LOCAL|MASTER|OMPI|PMI|MPI|SLURM|TORCHELASTIC)_[A-Z_]+[A-Z])\b/g)];
  const notRead = ['SLURM_CPUS_PER_TASK'];
  const missing = named
    .map(([name]) => name)
    .filter((name) => !sources.join().includes(name) && !notRead.includes(name));
  expect(named.length).toBeGreaterThan(20);
  expect(missing).toEqual([]);
});
