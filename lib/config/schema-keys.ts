// Reads the keys of a configuration schema: for error messages that suggest a key, and for listing every key with its
// meaning and default. Relies on the few zod constructs that `model-config.ts` and `train-config.ts` use.

import * as z from 'zod';

/** One configuration key. */
export interface ConfigKey {
  /** Full path, for example `optimizer.learningRate`; `[]` stands for an index. */
  key: string;
  description: string;
  /** The default as written in YAML; absent where the key is required or its default is computed (see description). */
  default?: string;
}

/** Every key of a schema that is not itself a section, in order of definition. */
export function listKeys(schema: z.ZodType, prefix = ''): ConfigKey[] {
  return Object.entries(shapeOf(schema) ?? {}).flatMap(([name, field]) => {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    const element = elementOf(field);
    const children = listKeys(element ?? field, element === undefined ? key : `${key}[]`);
    // A list of sections or a preset name is also a value of its own.
    if (children.length > 0 && field.description === undefined) return children;
    const fallback = defaultOf(field);
    const entry: ConfigKey = { key, description: field.description ?? '' };
    if (fallback !== undefined) entry.default = JSON.stringify(fallback);
    return [entry, ...children];
  });
}

/** The names of the keys directly below a path, or none if there is no section there. */
export function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let current: z.ZodType | undefined = schema;
  for (const part of path) {
    current = typeof part === 'number' ? elementOf(current) : shapeOf(current)?.[String(part)];
    if (current === undefined) return [];
  }
  return Object.keys(shapeOf(current) ?? {});
}

type Shape = Record<string, z.ZodType>;

/** The fields of a section, seen through defaults, transforms and alternatives. */
function shapeOf(schema: z.ZodType): Shape | undefined {
  for (const inner of unwrap(schema)) if (inner instanceof z.ZodObject) return inner.shape as Shape;
  return undefined;
}

function elementOf(schema: z.ZodType): z.ZodType | undefined {
  for (const inner of unwrap(schema)) if (inner instanceof z.ZodArray) return inner.element as z.ZodType;
  return undefined;
}

function defaultOf(schema: z.ZodType): unknown {
  return schema instanceof z.ZodDefault ? schema.def.defaultValue : undefined;
}

/** The schemas that a value may be checked against, without wrappers. */
function unwrap(schema: z.ZodType): z.ZodType[] {
  // Defaults and optional marks.
  if ('innerType' in schema.def) return unwrap(schema.def.innerType as z.ZodType);
  if (schema instanceof z.ZodPipe) return [schema.def.in, schema.def.out].flatMap((side) => unwrap(side as z.ZodType));
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => unwrap(option as z.ZodType));
  return [schema];
}
