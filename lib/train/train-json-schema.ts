// JSON Schema of a training configuration in a file, and of a part of one. Pure.

import type { JsonShape } from '../config/fields.ts';
import { fileSchema, inputSchema, partSchema } from '../config/json-schema.ts';
import { trainSchema } from './train-config.ts';

export function trainFileSchema(): JsonShape {
  return fileSchema(inputSchema(trainSchema), { model: 'initFrom' });
}

/** Of what lies over another configuration. */
export function trainPartSchema(): JsonShape {
  return partSchema(inputSchema(trainSchema));
}
