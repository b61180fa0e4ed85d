// npm run demo: the public commands, one after the other, on text that every machine has after npm ci (the type
// declarations of these packages, the same on all systems) or on the files given after --text. Nothing here that a user could not type.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const command = path.join(root, 'dist', 'cli', 'main.js');
const packages = '@types,typescript,playwright-core,fast-check,vite,vitest,zod';
const usage = 'usage: npm run demo [-- --text FILE...]';

function readTexts() {
  try {
    const { values, positionals } = parseArgs({
      options: { text: { type: 'string', multiple: true } },
      allowPositionals: true,
    });
    const texts = [...(values.text ?? []), ...positionals];
    if (positionals.length > 0 && values.text === undefined) throw new Error(`unexpected ${positionals[0]}`);
    return texts.length > 0 ? texts : [`node_modules/{${packages}}/**/*.d.ts`];
  } catch (error) {
    console.error(`demo: ${error.message}\n${usage}`);
    process.exit(2);
  }
}

function burgeon(...args) {
  const shown = args.map((arg) => (/[*\s]/.test(arg) ? `"${arg}"` : arg)).join(' ');
  console.error(`\n> burgeon ${shown}`);
  const { status, signal } = spawnSync(process.execPath, [command, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0 || signal) process.exit(status ?? 1);
}

const texts = readTexts().map((text) => (existsSync(text) ? path.resolve(text) : text));
if (!existsSync(command)) {
  console.error('demo: dist/ is missing; run npm ci (or npm run build:ts) first');
  process.exit(1);
}
// A Ctrl-C reaches the running command too, which stops in an orderly way; its exit status then ends the demo.
process.on('SIGINT', () => {});

burgeon('prepare', ...texts, '--output', 'runs/demo-data', '--tokenizer', 'bytes', '--drop-near-duplicates');
burgeon('train', 'configs/demo.yaml', '--overwrite');
burgeon('sample', 'runs/demo', '--prompt', 'export interface ', '--tokens', '400');
