// A registry on this machine: the packages of a release and, packed from node_modules, those they depend on. Package
// managers then install without the network, and nothing but what a user's registry would give them.
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { packageRoot } from '../../lib/package.ts';
import { run } from './release.ts';

interface Manifest {
  name: string;
  version: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

interface Tarball {
  manifest: Manifest;
  content: Buffer;
}

export interface Registry {
  url: string;
  /** Names of packages that were asked for and are not there. */
  missing: Set<string>;
  close(): void;
}

/** @param scratch directory for packed dependencies. */
export async function serveRegistry(tarballs: readonly string[], scratch: string): Promise<Registry> {
  const packages = new Map<string, Tarball>();
  const add = async (tarball: string) => {
    const manifest: Manifest = JSON.parse(await run(scratch, 'tar', ['-xzOf', tarball, 'package/package.json']));
    packages.set(manifest.name, { manifest, content: await readFile(tarball) });
    return manifest;
  };
  for (const tarball of tarballs) {
    const { dependencies, optionalDependencies } = await add(tarball);
    await addDependencies({ ...dependencies, ...optionalDependencies });
  }
  async function addDependencies(dependencies: Record<string, string> = {}): Promise<void> {
    for (const name of Object.keys(dependencies)) {
      if (packages.has(name) || name.startsWith('@burgeon/')) continue;
      const folder = path.join(packageRoot, 'node_modules', name);
      const packed = await run(scratch, 'npm', ['pack', '--silent', '--ignore-scripts', folder]);
      await addDependencies((await add(path.join(scratch, packed.trim()))).dependencies);
    }
  }
  await addOtherPlatforms();
  /** What a release has for other machines, without their addons. */
  async function addOtherPlatforms(): Promise<void> {
    const { manifest } = packages.get('burgeon')!;
    for (const [name, version] of Object.entries(manifest.optionalDependencies ?? {})) {
      if (packages.has(name) || !name.startsWith('@burgeon/')) continue;
      const [, system, cpu] = /\/([a-z0-9]+?)(?:musl)?-([a-z0-9]+)/.exec(name)!;
      const folder = path.join(scratch, 'other', path.basename(name));
      await mkdir(path.join(folder, 'package'), { recursive: true });
      const described = { name, version, os: [system], cpu: [cpu] };
      await writeFile(path.join(folder, 'package', 'package.json'), JSON.stringify(described));
      await run(folder, 'tar', ['-czf', 'package.tgz', 'package']);
      await add(path.join(folder, 'package.tgz'));
    }
  }
  const missing = new Set<string>();
  const server = createServer((request, response) => {
    const [name, isTarball] = nameIn(request.url ?? '/');
    const found = packages.get(name);
    if (found === undefined) {
      missing.add(name);
      response.writeHead(404).end('{}');
    } else if (isTarball) {
      response.end(found.content);
    } else {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(describe(found, urlOf(server))));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: urlOf(server), missing, close: () => server.close() };
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** "/@burgeon%2fsource" and "/@burgeon/source/-/source.tgz": the name, and whether its tarball is asked for. */
function nameIn(url: string): [string, boolean] {
  const decoded = decodeURIComponent(url).slice(1);
  const [name, file] = decoded.split('/-/');
  return [name!, file !== undefined];
}

function describe({ manifest, content }: Tarball, registry: string) {
  const { name, version } = manifest;
  const dist = {
    tarball: `${registry}${name}/-/${path.basename(name)}-${version}.tgz`,
    integrity: `sha512-${createHash('sha512').update(content).digest('base64')}`,
    shasum: createHash('sha1').update(content).digest('hex'),
  };
  const published = '2020-01-01T00:00:00.000Z';
  return {
    name,
    'dist-tags': { latest: version },
    time: { created: published, modified: published, [version]: published },
    versions: { [version]: { ...manifest, dist } },
  };
}
