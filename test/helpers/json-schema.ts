// As much of JSON Schema (draft 7) as burgeon's schemas use: enough to see what an editor would underline.

type Schema = Record<string, unknown> & { properties?: Record<string, Schema> };

/** Paths of the values that a schema refuses, each with the keyword; empty for a valid value. */
export function schemaProblems(root: object, value: unknown): string[] {
  const check = (schema: Schema, at: string, input: unknown): string[] => {
    const fails = (keyword: string, isRight: boolean) => (isRight ? [] : [`${at}: ${keyword}`]);
    const among = (schemas: Schema[]) => schemas.map((each) => check(each, at, input));
    const isSection = typeof input === 'object' && input !== null && !Array.isArray(input);
    const entries = isSection ? Object.entries(input) : [];
    const patterns = Object.entries((schema.patternProperties ?? {}) as Record<string, Schema>);
    const rules: Record<string, (rule: never) => string[]> = {
      type: (rule: string | string[]) =>
        fails(
          'type',
          [rule].flat().some((type) => isOfType(input, type)),
        ),
      enum: (rule: unknown[]) => fails('enum', rule.includes(input)),
      minimum: (rule: number) => fails('minimum', typeof input !== 'number' || input >= rule),
      maximum: (rule: number) => fails('maximum', typeof input !== 'number' || input <= rule),
      exclusiveMinimum: (rule: number) => fails('exclusiveMinimum', typeof input !== 'number' || input > rule),
      exclusiveMaximum: (rule: number) => fails('exclusiveMaximum', typeof input !== 'number' || input < rule),
      pattern: (rule: string) => fails('pattern', typeof input !== 'string' || new RegExp(rule).test(input)),
      minLength: (rule: number) => fails('minLength', typeof input !== 'string' || input.length >= rule),
      minItems: (rule: number) => fails('minItems', !Array.isArray(input) || input.length >= rule),
      maxItems: (rule: number) => fails('maxItems', !Array.isArray(input) || input.length <= rule),
      uniqueItems: () => fails('uniqueItems', !Array.isArray(input) || new Set(input).size === input.length),
      items: (rule: Schema) =>
        Array.isArray(input) ? input.flatMap((item, i) => check(rule, `${at}[${i}]`, item)) : [],
      required: (rule: string[]) => fails('required', !isSection || rule.every((key) => Object.hasOwn(input, key))),
      properties: (rule: Record<string, Schema>) =>
        entries.flatMap(([key, item]) => (Object.hasOwn(rule, key) ? check(rule[key]!, `${at}.${key}`, item) : [])),
      propertyNames: (rule: Schema) => entries.flatMap(([key]) => check(rule, at, key)),
      patternProperties: () => [],
      additionalProperties: (rule: Schema | false) =>
        entries
          .filter(([key]) => !Object.hasOwn(schema.properties ?? {}, key))
          .filter(([key]) => !patterns.some(([pattern]) => new RegExp(pattern).test(key)))
          .flatMap(([key, item]) => (rule === false ? [`${at}.${key}: unknown`] : check(rule, `${at}.${key}`, item))),
      anyOf: (rule: Schema[]) => {
        const found = among(rule);
        // What came furthest is what was meant.
        return found.some((problems) => problems.length === 0)
          ? []
          : (found.find((all) => all[0]!.length > at.length + 12) ?? [`${at}: anyOf`]);
      },
      allOf: (rule: Schema[]) => among(rule).flat(),
      $ref: (rule: string) => {
        const parts = rule.split('/').slice(1);
        return check(parts.reduce<unknown>((node, part) => (node as Schema)[part], root) as Schema, at, input);
      },
    };
    const silent = ['$schema', 'title', 'description', 'default', 'definitions'];
    return Object.entries(schema).flatMap(([keyword, rule]) => {
      if (silent.includes(keyword)) return [];
      if (!Object.hasOwn(rules, keyword)) throw new Error(`${keyword}: no rule for this keyword`);
      return rules[keyword]!(rule as never);
    });
  };
  return check(root as Schema, '', value);
}

function isOfType(input: unknown, type: string): boolean {
  if (type === 'integer') return Number.isInteger(input);
  if (type === 'null') return input === null;
  if (type === 'array') return Array.isArray(input);
  return type === 'object'
    ? typeof input === 'object' && input !== null && !Array.isArray(input)
    : typeof input === type;
}
