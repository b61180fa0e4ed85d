// The build script says what is missing before it tries to build.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const script = path.join(import.meta.dirname, '..', '..', 'scripts', 'build-addon.mjs');
const bin = mkdtempSync(path.join(os.tmpdir(), 'burgeon-path-'));
afterAll(() => rmSync(bin, { recursive: true }));

function install() {
  const { CXX: _, npm_config_python: __, ...environment } = process.env;
  return spawnSync(process.execPath, [script], { env: { ...environment, PATH: bin }, encoding: 'utf8' });
}

describe('build script', () => {
  it('names every missing tool and what to install', () => {
    const { status, stderr } = install();
    expect(status).toBe(1);
    expect(stderr).toContain('a C++17 compiler, make, python3 not found');
    expect(stderr).toMatch(/apt install g\+\+ make python3|xcode-select/);
  });

  it('names only what is missing', () => {
    for (const tool of ['c++', 'python3']) symlinkSync('/bin/true', path.join(bin, tool));
    const { status, stderr } = install();
    expect(status).toBe(1);
    expect(stderr).toContain('native addon: make not found');
  });
});
