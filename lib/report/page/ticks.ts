// Texts beside an axis. All ticks of an axis have one unit and as many decimals as it takes to tell them apart exactly, so that
// no two read the same and none is rounded. Pure.

/** What the numbers of an axis are; whole: counts between which there is nothing. */
export type TickKind = 'number' | 'count' | 'whole' | 'percent' | 'bytes' | 'rate' | 'time';

/** More than a double of any use has. */
const mostDecimals = 12;

const thousands = { names: ['', ' k', ' M', ' G', ' T', ' P', ' E', ' Z'], base: 1000 };
const units = {
  count: thousands,
  whole: thousands,
  bytes: { names: [' B', ' KiB', ' MiB', ' GiB', ' TiB', ' PiB'], base: 1024 },
};

/** @param values of the ticks of a linear axis, ascending; of a logarithmic one, call it for each. */
export function tickTexts(kind: TickKind, values: readonly number[]): string[] {
  switch (kind) {
    case 'number':
      return plain(values);
    case 'percent':
      return plain(values.map((value) => 100 * value)).map((text) => `${text} %`);
    case 'rate':
      return values.map((value) => (value === 0 ? '0' : String(Number(value.toPrecision(6)).toExponential())));
    case 'time':
      return times(values);
    default: {
      const { names, base } = units[kind];
      const largest = Math.max(...values.map(Math.abs));
      let unit = 0;
      while (largest / base ** unit >= 0.9999 * base && unit < names.length - 1) unit++;
      return plain(values.map((value) => value / base ** unit)).map((text) =>
        text === '0' ? '0' : text + names[unit],
      );
    }
  }
}

/** Steps between the ticks of a linear axis, where not just any round numbers do. */
export function tickSteps(kind: TickKind): number[] | undefined {
  if (kind === 'bytes') return Array.from({ length: 60 }, (_, power) => 2 ** power);
  if (kind === 'whole')
    return Array.from({ length: 25 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();
  if (kind !== 'time') return undefined;
  const [minute, hour, day] = [60, 3600, 86_400];
  return [
    ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30],
    ...[1, 2, 5, 10, 15, 30].map((step) => step * minute),
    ...[1, 2, 3, 6, 12].map((step) => step * hour),
    ...Array.from({ length: 12 }, (_, power) => 2 ** power * day),
  ];
}

function plain(values: readonly number[]): string[] {
  const decimals = decimalsOf(values);
  return values.map((value) => (value === 0 ? '0' : value.toFixed(decimals)));
}

/** The fewest with which every value is what it is, but for what arithmetic did to its last digits. */
function decimalsOf(values: readonly number[]): number {
  const gaps = values.slice(1).map((value, i) => value - values[i]!);
  const error = gaps.length > 0 ? 1e-3 * Math.min(...gaps) : 1e-9 * Math.abs(values[0] ?? 0);
  for (let decimals = 0; decimals < mostDecimals; decimals++) {
    if (values.every((value) => Math.abs(value - Number(value.toFixed(decimals))) <= error)) return decimals;
  }
  return mostDecimals;
}

/** Seconds as 0.5 s, 1:30 or 2:00:00: all in the form of the largest. */
function times(values: readonly number[]): string[] {
  const largest = Math.max(...values);
  if (largest < 60) return plain(values).map((text) => (text === '0' ? '0' : `${text} s`));
  const decimals = decimalsOf(values);
  const width = decimals === 0 ? 2 : 3 + decimals;
  return values.map((value) => {
    if (value === 0) return '0';
    // Rounded before it is taken apart: no 0:60.
    const seconds = Number(value.toFixed(decimals));
    const minutes = Math.floor(seconds / 60);
    const rest = (seconds - 60 * minutes).toFixed(decimals).padStart(width, '0');
    if (largest < 3600) return `${minutes}:${rest}`;
    return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}:${rest}`;
  });
}
