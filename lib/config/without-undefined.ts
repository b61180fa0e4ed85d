// Options without keys that were left open.

type Defined<Options> = { [Key in keyof Options]?: Exclude<Options[Key], undefined> };

/** A copy without keys whose value is undefined. */
export function withoutUndefined<Options extends object>(options: Options): Defined<Options> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Defined<Options>;
}
