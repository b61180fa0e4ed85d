// What products.ts prints: GFLOP/s of every product in one table, and geometric means of burgeon's speed-up.

import { table } from '../../lib/cli/format.ts';
import { flopsOf, type Product } from './product-shapes.ts';
import { type Spread, spread } from './turns.ts';

export interface Result extends Product {
  /** By contender. */
  gflops: Record<string, number>;
  /** The fastest rival's time over burgeon's, round by round. */
  bestRival?: string;
  overBurgeon?: Spread;
}

/** @param times milliseconds of each contender, by round. */
export function summarise(product: Product, times: ReadonlyMap<string, readonly number[]>): Result {
  const flops = flopsOf(product);
  const gflops: Record<string, number> = {};
  for (const [name, ms] of times) gflops[name] = flops / spread(ms).median / 1e6;
  const burgeon = times.get('burgeon');
  const [bestRival] = Object.keys(gflops)
    .filter((name) => name !== 'burgeon')
    .sort((a, b) => gflops[b]! - gflops[a]!);
  if (burgeon === undefined || bestRival === undefined) return { ...product, gflops };
  const ratios = times.get(bestRival)!.map((ms, round) => ms / burgeon[round]!);
  return { ...product, gflops, bestRival, overBurgeon: spread(ratios) };
}

export function productTable(results: readonly Result[], names: readonly string[]): string {
  return table([
    ['product', 'precision', 'threads', 'tokens', 'rows', 'columns', ...names, 'speed-up', 'quartiles', 'over'],
    ...results.map((result) => [
      `${result.matrix} ${result.kind}${result.rate === 1 ? '' : ` at ${result.rate}`}`,
      result.precision,
      String(result.threads),
      String(result.tokens),
      String(result.rows),
      String(result.columns),
      ...names.map((name) => result.gflops[name]?.toFixed(0) ?? '-'),
      result.overBurgeon?.median.toFixed(2) ?? '',
      result.overBurgeon?.quartiles.map((ratio) => ratio.toFixed(2)).join(' .. ') ?? '',
      result.bestRival ?? '',
    ]),
  ]);
}

/** Per precision and number of threads: over each rival, and over the best of each product. */
export function meanTable(results: readonly Result[], names: readonly string[]): string {
  const rivals = names.filter((name) => name !== 'burgeon');
  const groups = new Map<string, Result[]>();
  for (const result of results) {
    const key = `${result.precision}, ${result.threads === 1 ? '1 thread' : `${result.threads} threads`}`;
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  const mean = (ratios: readonly (number | undefined)[]) => {
    const known = ratios.filter((ratio) => ratio !== undefined);
    if (known.length === 0) return '-';
    return Math.exp(known.reduce((sum, ratio) => sum + Math.log(ratio), 0) / known.length).toFixed(2);
  };
  return table([
    ['', 'products', ...rivals.map((name) => `over ${name}`), 'over the best'],
    ...[...groups].map(([key, group]) => [
      key,
      String(group.length),
      ...rivals.map((name) =>
        mean(group.map(({ gflops }) => (gflops.burgeon && gflops[name] ? gflops.burgeon / gflops[name] : undefined))),
      ),
      mean(group.map(({ overBurgeon }) => overBurgeon?.median)),
    ]),
  ]);
}
