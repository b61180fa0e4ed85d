// npm run lint:native: whether clang-format would change a file of native/. Versions differ in what they write, so it is the
// one of Debian 12; another is refused.
import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const version = 14;

const found = spawnSync('clang-format', ['--version'], { encoding: 'utf8' });
const major = /version (\d+)/.exec(found.stdout ?? '')?.[1];
if (Number(major) !== version) {
  console.error(
    `lint-native: expected clang-format ${version}, found ${major ?? 'none'}; on Debian and Ubuntu: apt install clang-format-${version}`,
  );
  process.exit(1);
}
const files = execFileSync('git', ['ls-files', 'native/*.h', 'native/*.cc', 'native/*.cu', 'native/*.cuh'], {
  cwd: root,
  encoding: 'utf8',
}).trim();
const { status } = spawnSync('clang-format', ['--dry-run', '-Werror', ...files.split('\n')], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) console.error('lint-native: format them with clang-format -i');
process.exit(status ?? 1);
