// Names of a sweep's runs: readable, and safe as names of directories. Pure.

/** A value that a name can hold. */
export type Plain = number | string | boolean;

/** Whether a variant may have this name. */
export function isRunName(name: string): boolean {
  return /^[A-Za-z0-9][\w.+-]*$/.test(name);
}

/** A value as a part of a name. */
export function valueText(value: Plain): string {
  return String(value).replace(/[^\w.+-]+/g, '-');
}

/**
 * The name of the runs that differ by seed only: `dense,learningRate=0.003`; `base` where nothing tells them from others.
 * @param labels of the keys, from `keyLabels`.
 */
export function groupName(
  variant: string | null,
  values: Readonly<Record<string, Plain>>,
  labels: ReadonlyMap<string, string>,
): string {
  const parts = Object.entries(values).map(([key, value]) => `${labels.get(key) ?? key}=${valueText(value)}`);
  return [...(variant === null ? [] : [variant]), ...parts].join(',') || 'base';
}

/** What keys are called in names: by their last part, or whole where two have the same. */
export function keyLabels(keys: readonly string[]): Map<string, string> {
  const last = (key: string) => key.slice(key.lastIndexOf('.') + 1);
  // A number says nothing without the list it is an index of.
  const isClear = (key: string) =>
    keys.filter((other) => last(other) === last(key)).length === 1 && !/^\d/.test(last(key));
  return new Map(keys.map((key) => [key, (isClear(key) ? last(key) : key).replace(/\[(\d+)\]/g, '.$1')]));
}
