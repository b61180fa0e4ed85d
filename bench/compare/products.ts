// npx tsx bench/compare/products.ts [options]: the matrix products of a training step in burgeon, OpenBLAS, oneDNN and MKL,
// alternately in one run. README.md says how; `--help` lists the options.

import { writeFile } from 'node:fs/promises';
import { packageVersion } from '../../lib/addon/load.ts';
import { describeMachine } from '../../lib/bench/machine.ts';
import { burgeonProduct } from './burgeon-product.ts';
import { beside, Contender } from './contender.ts';
import { flopsOf, type Product, type ProductShape, productKinds, productShapes } from './product-shapes.ts';
import { meanTable, productTable, type Result, summarise } from './product-table.ts';
import { readArguments } from './read-arguments.ts';
import { defaultPython, pythonProblem, torchEnvironments } from './rivals.ts';
import { precisions } from './step-rows.ts';
import { prepareAll, type Side, takeTurns } from './turns.ts';

const { values: options } = readArguments({
  options: {
    rounds: { type: 'string', default: '5' },
    tokens: { type: 'string' },
    widths: { type: 'string' },
    matrices: { type: 'string' },
    kinds: { type: 'string' },
    rates: { type: 'string' },
    precision: { type: 'string', default: precisions.join(',') },
    threads: { type: 'string', default: '1,2' },
    json: { type: 'string' },
    python: { type: 'string', default: defaultPython() },
    help: { type: 'boolean', default: false },
  },
});

const usage = `usage: npx tsx bench/compare/products.ts [options]; lists are separated by commas, all is the default
  --tokens 256,1024,2048,4096   --widths 384,768   --matrices qkv,attproj,fc,head   --kinds ${productKinds.join(',')}
  --rates 1,0.5   --precision fp32,bf16   --threads 1,2   --rounds N (5)   --json FILE
  --python PATH                 the Python that has PyTorch and numpy (default BURGEON_PYTHON or python3)`;

/** Enough products per turn that its beginning, with sleeping threads and cold caches, counts for little. */
const flopsPerTurn = 3e9;
const warmUps = 1;

if (options.help) console.log(usage);
else if (!(await compareProducts())) process.exitCode = 2;

/** @returns false where the command line makes no sense. */
async function compareProducts(): Promise<boolean> {
  const products = wantedProducts();
  const rounds = Number(options.rounds);
  if (products.length === 0 || !(rounds >= 1)) {
    console.error(usage);
    return false;
  }
  const machine = await describeMachine({
    device: 'cpu',
    threads: Math.max(...products.map(({ threads }) => threads)),
  });
  const sides = [burgeonSide(machine.isa), ...(await rivalSides(options.python))];
  const versions: Record<string, string> = {};
  const results: Result[] = [];
  const said = new Set<string>();
  try {
    for (const product of products) {
      const drop = (side: Side, reason: string) => {
        const line = `${side.name} is not available for some products: ${reason}`;
        if (!said.has(line)) console.log(line);
        said.add(line);
      };
      const ready = await prepareAll(sides, { product }, drop);
      for (const [side, { version, note }] of ready) versions[side.name] = `${version}, ${note}`;
      const steps = Math.ceil(flopsPerTurn / flopsOf(product));
      const turns = await takeTurns(ready.keys(), { warmUps, rounds, steps }, drop);
      const times = new Map([...turns].map(([side, taken]) => [side.name, taken.slice(warmUps).map(({ ms }) => ms)]));
      results.push(summarise(product, times));
      if (process.stderr.isTTY) process.stderr.write(`\r${results.length} of ${products.length} products `);
      if (options.json !== undefined) {
        const date = new Date().toISOString().slice(0, 10);
        const content = { date, rounds, warmUps, machine, versions, results };
        await writeFile(options.json, `${JSON.stringify(content, null, 2)}\n`);
      }
    }
  } finally {
    for (const side of sides) if (side instanceof Contender) await side.end();
  }
  const names = sides.map((side) => side.name).filter((name) => results.some(({ gflops }) => name in gflops));
  console.log(
    `\nGFLOP/s, and how many times as fast as the best rival burgeon is\n\n${productTable(results, names)}\n`,
  );
  console.log(`geometric means of burgeon's speed-up\n\n${meanTable(results, names)}\n`);
  console.log(`  ${machine.processor}; ${rounds} rounds in turn after ${warmUps}`);
  for (const name of names) console.log(`  ${name}: ${versions[name]}`);
  if (names.includes('mkl+')) console.log('  mkl+: made to use the fast paths that it has for Intel only');
  return true;
}

/** Every wanted shape in every wanted precision and number of threads. */
function wantedProducts(): Product[] {
  const wants = (list: string | undefined, value: string | number) =>
    list === undefined || list.split(',').some((item) => String(value).split(', ').includes(item));
  const shapes = productShapes.filter(
    ({ tokens, columns, matrix, kind, rate }: ProductShape) =>
      wants(options.tokens, tokens) &&
      wants(options.widths, columns) &&
      wants(options.matrices, matrix) &&
      wants(options.kinds, kind) &&
      wants(options.rates, rate),
  );
  const threadCounts = options.threads
    .split(',')
    .map(Number)
    .filter((threads) => threads >= 1);
  return precisions
    .filter((precision) => wants(options.precision, precision))
    .flatMap((precision) =>
      threadCounts.flatMap((threads) => shapes.map((shape) => ({ ...shape, precision, threads }))),
    );
}

function burgeonSide(isa: string): Side {
  let run: (repeats: number) => Promise<number>;
  return {
    name: 'burgeon',
    async ask<Answer>(message: object) {
      const { product, steps } = message as { product?: Product; steps?: number };
      if (product !== undefined) {
        const { kind, tokens, rows, columns, precision, threads, rate } = product;
        run = (repeats) => burgeonProduct(kind, tokens, rows, columns, precision, threads, { repeats, rate });
      }
      return { ms: await run(steps ?? 1), version: packageVersion, note: isa } as Answer;
    },
  };
}

/** A process per library; the operands of half rate are dense for them, without a gather. */
async function rivalSides(python: string): Promise<Contender[]> {
  const problem = await pythonProblem(python);
  if (problem !== undefined) {
    console.log(`burgeon alone, without rivals: ${problem}\n`);
    return [];
  }
  const { environments, notes } = await torchEnvironments();
  for (const note of notes) console.log(note);
  const tuned = environments.find(({ name }) => name === 'tuned') ?? environments[0]!;
  const withMkl = environments.find(({ name }) => name === 'tuned+mkl');
  const start = (name: string, library: string, env: Record<string, string>) =>
    new Contender({ name, command: python, args: ['-B', '-W', 'ignore', beside('products.py'), library], env });
  return [
    start('openblas', 'openblas', {}),
    start('onednn', 'onednn', tuned.env),
    start('mkl', 'mkl', tuned.env),
    ...(withMkl ? [start('mkl+', 'mkl', withMkl.env)] : []),
  ];
}
