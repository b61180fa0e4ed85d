// The text that growth is measured on: four dictionaries of Debian 12, whose packages no longer change, so that runs made
// years apart see the same text. Its SHA-256 is checked: figures of different texts cannot be compared.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { CounterRng, permutation } from '../lib/est/rng.ts';

const packages: Record<string, string> = {
  'dict-foldoc': '20230119-1',
  'dict-gcide': '0.48.5+nmu2',
  'dict-jargon': '4.4.7-3.1',
  'dict-wn': '1:3.0-37',
};

const expected = '1cd49a00522c051b54deaad601086bac9528d0b915c68cf8176103f977004f00';

/** So that any part of the text is like any other, pieces of so many characters are shuffled. */
const pieceLength = 8192;

/**
 * Makes the text where it is not there yet, from packages that apt-get downloads.
 * @throws where apt-get or dpkg fail, or the text is another one.
 */
export function ensureGrowthText(file: string): void {
  if (!existsSync(file)) {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, makeText());
  }
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
  if (sha256 !== expected) {
    throw new Error(
      `${file}: expected the text with SHA-256 ${expected}, received ${sha256}. Remove it, and it is made anew.`,
    );
  }
}

function makeText(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'growth-text-'));
  try {
    const names = Object.entries(packages).map(([name, version]) => `${name}=${version}`);
    run('apt-get', ['download', ...names], directory);
    for (const file of readdirSync(directory)) run('dpkg', ['-x', file, 'unpacked'], directory);
    const dictionaries = path.join(directory, 'unpacked', 'usr', 'share', 'dictd');
    const files = readdirSync(dictionaries).filter((file) => file.endsWith('.dict.dz'));
    const pieces = files.sort().flatMap((file) => cut(plain(gunzipSync(readFileSync(path.join(dictionaries, file))))));
    return Array.from(permutation(new CounterRng(1), pieces.length), (piece) => pieces[piece]!).join('');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Printable ASCII, with a space in place of any other byte, runs of spaces and of empty lines collapsed. */
function plain(bytes: Buffer): string {
  const text = bytes.toString('latin1').replace(/[^\n -~]/g, ' ');
  return text.replace(/ {2,}/g, ' ').replace(/\n{3,}/g, '\n\n');
}

function cut(text: string): string[] {
  const count = Math.ceil(text.length / pieceLength);
  return Array.from({ length: count }, (_, i) => text.slice(i * pieceLength, (i + 1) * pieceLength));
}

function run(command: string, args: string[], cwd: string): void {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw error ?? new Error(`${command} ${args.join(' ')} ended with status ${status}`);
}
