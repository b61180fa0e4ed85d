// Finding the native addon: whatever is wrong with a build, the error lists every path tried, why it failed, and what to
// do.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { addonFiles, findAddon, loadAddon, packageRoot, packageVersion } from '../../lib/addon/load.ts';
import { describePlatform } from '../../lib/addon/platform.ts';
import { BurgeonError } from '../../lib/errors.ts';

let directory: string;
const good = loadAddon().path;

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-load-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function file(name: string, content: string | Buffer): Promise<string> {
  const target = path.join(directory, name);
  await writeFile(target, content);
  return target;
}

function failure(paths: string[]): BurgeonError {
  try {
    findAddon(paths);
  } catch (error) {
    expect(error).toBeInstanceOf(BurgeonError);
    expect(error).toMatchObject({ code: 'ERR_BURGEON_BACKEND' });
    return error as BurgeonError;
  }
  throw new Error('expected no addon to be found');
}

describe('findAddon', () => {
  it('says what is missing, and how to build it', () => {
    const paths = ['Debug', 'Release'].map((kind) => path.join(directory, kind, 'burgeon.node'));
    expect(failure(paths).message).toBe(
      `the native addon for ${describePlatform()} could not be loaded:\n  ${paths[0]}: not there\n  ${paths[1]}: not there\n` +
        'what helps: npm run build:native',
    );
  });

  it('refuses a build of another version', async () => {
    const stale = await file('stale.cjs', "module.exports = { version: '0.0.1' };");
    expect(failure([stale]).message).toContain(`${stale}: built from version 0.0.1, this is ${packageVersion}`);
  });

  it('refuses what is no addon, or none of ours', async () => {
    const text = await file('text.node', 'not an addon');
    const foreign = await file('foreign.cjs', 'module.exports = { hello() {} };');
    const nothing = await file('nothing.cjs', 'module.exports = undefined;');
    const throwing = await file('throwing.cjs', "throw new Error('a library is missing');");
    const { message } = failure([text, foreign, nothing, throwing, directory]);
    expect(message).toMatch(/text\.node: .*(invalid ELF header|file too short|not a mach-o file)/i);
    expect(message).toContain(`${foreign}: no build of burgeon`);
    expect(message).toContain(`${nothing}: no build of burgeon`);
    expect(message).toContain(`${throwing}: a library is missing`);
    expect(message).toContain(`${directory}: `);
  });

  it('takes the first that is right', async () => {
    const stale = await file('older.cjs', "module.exports = { version: '0.0.1' };");
    const found = findAddon([path.join(directory, 'missing.node'), stale, good]);
    expect(found.path).toBe(good);
    expect(found.binding.version).toBe(packageVersion);
  });
});

describe('loadAddon', () => {
  it('looks in the Debug and the Release build of a clone, once', async () => {
    expect(addonFiles()).toEqual(
      ['Debug', 'Release'].map((kind) => path.join(packageRoot, 'build', kind, 'burgeon.node')),
    );
    expect(JSON.parse(await readFile(path.join(packageRoot, 'package.json'), 'utf8'))).toMatchObject({
      name: 'burgeon',
      version: packageVersion,
    });
    expect(addonFiles()).toContain(good);
    expect(loadAddon()).toBe(loadAddon());
  });

  it('takes the file that BURGEON_ADDON names, and no other', () => {
    vi.stubEnv('BURGEON_ADDON', 'somewhere/burgeon.node');
    try {
      const file = path.resolve('somewhere/burgeon.node');
      expect(addonFiles()).toEqual([file]);
      expect(failure(addonFiles()).message).toContain(`${file}: not there\n  BURGEON_ADDON names the only file`);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
