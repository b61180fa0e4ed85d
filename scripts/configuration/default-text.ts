// A default as it stands in YAML.

import type { JsonShape } from '../../lib/config/fields.ts';

/** undefined where there is none, or where the description computes it. */
export function defaultText({ default: fallback }: JsonShape): string | undefined {
  if (fallback === undefined) return undefined;
  return fallback === '' ? '""' : String(fallback);
}
