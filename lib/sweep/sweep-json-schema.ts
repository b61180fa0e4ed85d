// JSON Schema of a sweep file: its base and variants are parts of a training configuration. Pure.

import type { JsonShape } from '../config/fields.ts';
import { fileSchema, inputSchema } from '../config/json-schema.ts';
import { trainPartSchema } from '../train/train-json-schema.ts';
import { sweepSchema } from './sweep-file.ts';

export function sweepFileSchema(): JsonShape {
  const schema = fileSchema(inputSchema(sweepSchema));
  const { base, variants } = schema.properties as Record<'base' | 'variants', JsonShape>;
  const part: JsonShape = { $ref: '#/definitions/part' };
  return {
    ...schema,
    properties: {
      ...schema.properties,
      base: { ...(base.description && { description: base.description }), allOf: [part] },
      // One without keys is base as it is.
      variants: { ...variants, additionalProperties: { anyOf: [part, { type: 'null' }] } },
    },
    definitions: { part: trainPartSchema() },
  };
}
