// What runs of one configuration are called together. Pure.

/** The parts of their names, as of a path, with which all of them begin: of dense/seed1 and dense/seed2 dense; else the first name. */
export function sharedName(runs: readonly { name: string }[]): string {
  const [first, ...others] = runs.map(({ name }) => name.split('/'));
  const differs = first!.findIndex((part, i) => others.some((other) => other[i] !== part));
  return differs > 0 ? first!.slice(0, differs).join('/') : first!.join('/');
}
