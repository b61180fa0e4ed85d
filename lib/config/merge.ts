// Plain data of configurations over one another: a file over the one it extends, a value over what a key had. Pure.

import { BurgeonError } from '../errors.ts';

/** Plain data with keys. */
export type Section = Record<string, unknown>;

export function isSection(data: unknown): data is Section {
  return typeof data === 'object' && data !== null && !Array.isArray(data);
}

/**
 * `over` on top of `base`: sections merge key by key; lists, plain values and empty ones (null) replace what was there.
 * A model given by name becomes a section that starts from that preset. Neither argument is changed.
 */
export function mergeSections(base: unknown, over: unknown): unknown {
  if (!isSection(base) || !isSection(over)) return over;
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(over)) {
    const below = merged.get(key);
    const isPreset = key === 'model' && typeof below === 'string' && isSection(value);
    merged.set(key, mergeSections(isPreset ? { preset: below } : below, value));
  }
  return Object.fromEntries(merged);
}

/**
 * The parts of a key `a.b`, with list items `a.0.b` or `a[0].b`; undefined for what is no key. Parts are of a plain kind
 * only: others are typing errors, and `__proto__` is worse.
 */
export function partsOfKey(key: string): string[] | undefined {
  const parts = key
    .trim()
    .replace(/\[(\d+)\]/g, '.$1')
    .split('.');
  return parts.every((part) => /^([A-Za-z]\w*|\d+)$/.test(part)) ? parts : undefined;
}

/**
 * A copy of `data` with one value replaced.
 * @param parts as `partsOfKey` returns them.
 * @param source what sets it, for errors.
 * @param above the part that `data` itself stands at.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG where there can be no such key.
 */
export function withKey(data: unknown, parts: readonly string[], value: unknown, source: string, above = ''): unknown {
  const [part, ...rest] = parts;
  if (part === undefined) return value;
  if (Array.isArray(data)) {
    const index = Number(part);
    if (!(index < data.length)) {
      fail(`${source}: expected an index below ${data.length} of the list, received ${part}`);
    }
    return data.map((item, i) => (i === index ? withKey(item, rest, value, source, part) : item));
  }
  // A model given by name becomes a section that starts from that preset.
  const section = typeof data === 'string' && above === 'model' ? { preset: data } : (data ?? {});
  if (!isSection(section)) {
    fail(`${source}: "${part}" is below a plain value (${JSON.stringify(section)}), not a section`);
  }
  const inner = Object.hasOwn(section, part) ? section[part] : undefined;
  return { ...section, [part]: withKey(inner, rest, value, source, part) };
}

function fail(message: string): never {
  throw new BurgeonError('ERR_BURGEON_CONFIG', message);
}
