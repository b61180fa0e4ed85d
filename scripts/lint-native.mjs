// npm run lint:native: whether clang-format would change a file of native/. Versions differ in what they write, so it is the
// one of Debian 12; another is refused.
import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const version = 14;

/** The one of that name where it is there, as the package clang-format-14 installs no other. */
const majorOf = (name) => /version (\d+)/.exec(spawnSync(name, ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1];
const formatter = [`clang-format-${version}`, 'clang-format'].find((name) => majorOf(name) === String(version));
if (!formatter) {
  console.error(
    `lint-native: expected clang-format ${version}, found ${majorOf('clang-format') ?? 'none'}; on Debian and Ubuntu: apt install clang-format-${version}`,
  );
  process.exit(1);
}
const files = execFileSync('git', ['ls-files', 'native/*.h', 'native/*.cc', 'native/*.cu', 'native/*.cuh'], {
  cwd: root,
  encoding: 'utf8',
}).trim();
const { status } = spawnSync(formatter, ['--dry-run', '-Werror', ...files.split('\n')], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) console.error(`lint-native: format them with ${formatter} -i`);
process.exit(status ?? 1);
