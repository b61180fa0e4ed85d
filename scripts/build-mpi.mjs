// Builds the library that speaks MPI with CMake, into build/mpi/ (npm run build:mpi): against the MPI whose compiler mpicxx is,
// as Open MPI and MPICH have different binary interfaces.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const out = path.join(root, 'build', 'mpi');
const needs =
  'it needs cmake 3.19 or newer, a C++17 compiler and an MPI: Debian/Ubuntu: apt install libopenmpi-dev or libmpich-dev; ' +
  'elsewhere what puts mpicxx into PATH, such as module load openmpi';

function fail(message, status = 1) {
  console.error(`build:mpi: ${message}`);
  process.exit(status);
}

function run(args) {
  const { status, error } = spawnSync('cmake', args, { cwd: root, stdio: 'inherit' });
  if (error) fail(`cmake not found; ${needs}`);
  if (status !== 0) fail(`the build failed (output above); ${needs}`);
}

if (process.argv.length > 2) fail(`no such option: ${process.argv[2]}\nusage: npm run build:mpi`, 2);
run(['-S', root, '-B', out, '-DBURGEON_MPI=ON', '-DCMAKE_BUILD_TYPE=Release', '--fresh']);
run(['--build', out, '--target', 'burgeon_mpi']);
console.log(
  `${path.relative(root, path.join(out, 'libburgeon_mpi.so'))}: burgeon takes it where mpirun or srun has started it`,
);
