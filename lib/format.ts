// Numbers and settings for people, in terminals and pages. Pure.

/** 1234567 -> "1.23 M"; three significant digits. */
export function count(value: number): string {
  return scaled(value, ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z'], 1000);
}

/** Bytes in binary units: "1.95 GiB". */
export function bytes(value: number): string {
  return scaled(value, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'], 1024);
}

export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)} %`;
}

/** 83 s -> "1:23", 3 h -> "3:00:00", 2.3 s -> "2.3 s", 0.04 s -> "40 ms". */
export function duration(ms: number): string {
  if (ms < 99.5) return `${Math.round(ms)} ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** "step" or "steps". */
export function plural(value: number, unit: string): string {
  return value === 1 ? unit : `${unit}s`;
}

/** "1 layer", "2.4 layers": a mean, where layers are active by chance. */
export function counted(value: number, unit: string): string {
  return `${Number(value.toFixed(1))} ${plural(value, unit)}`;
}

/** Learning rates and other small numbers: "6.00e-4". */
export function small(value: number): string {
  return value.toExponential(2);
}

/** "steps changed from 100 to 200". */
export function changeText({ key, from, to }: { key: string; from?: unknown; to?: unknown }): string {
  return `${key} changed from ${valueText(from)} to ${valueText(to)}`;
}

/** A value of a configuration: 0.001, "cosine", [{"endStep":5}]. Of a number, twelve digits: 0.003 / 10 is 0.0003. */
export function valueText(value: unknown): string {
  const short = (_: string, item: unknown) => (typeof item === 'number' ? Number(item.toPrecision(12)) : item);
  return JSON.stringify(value, short) ?? 'nothing';
}

function scaled(value: number, units: readonly string[], base: number): string {
  let rest = value;
  let unit = 0;
  while (Math.abs(rest) >= 999.5 && unit < units.length - 1) {
    rest /= base;
    unit++;
  }
  const digits =
    Math.abs(rest) >= 99.95 || (unit === 0 && Number.isInteger(rest)) ? 0 : Math.abs(rest) >= 9.995 ? 1 : 2;
  return `${rest.toFixed(digits)} ${units[unit]}`.trimEnd();
}
