// A configuration's schema as JSON Schema: what docs/configuration.md and the types of a configuration are written from
// (scripts/configuration.ts), and what editors check YAML files with (scripts/build-schemas.mjs). Pure.

import * as z from 'zod';
import type { JsonShape } from './fields.ts';

/** What a program may pass, with the `x-` keys of JsonShape. */
export function inputSchema(schema: z.ZodType): JsonShape {
  const options = { io: 'input', unrepresentable: 'any', target: 'draft-7', reused: 'inline' } as const;
  return tidy(z.toJSONSchema(schema, options) as JsonShape);
}

/** Without what means nothing here, and with words beside the section that they are short for. */
function tidy(node: JsonShape): JsonShape {
  const { $schema: _, default: fallback, 'x-words': words, ...rest } = mapChildren(node, tidy);
  const isSection = typeof fallback === 'object' && fallback !== null && Object.keys(fallback).length === 0;
  const kept = { ...rest, ...(fallback === undefined || isSection ? {} : { default: fallback }) };
  if (words === undefined) return kept;
  const { description, 'x-expected': expected, 'x-type': type, ...section } = kept;
  return {
    ...(description === undefined ? {} : { description }),
    ...(expected === undefined ? {} : { 'x-expected': expected }),
    ...(type === undefined ? {} : { 'x-type': type }),
    anyOf: [{ enum: [...words] }, section],
  };
}

/**
 * What a file may say: any key may be left empty, any section may extend a file, and what is required may be in that file.
 * @param schema as `inputSchema` returns it.
 * @param alternatives required keys, and what may stand there instead.
 */
export function fileSchema(schema: JsonShape, alternatives: Readonly<Record<string, string>> = {}): JsonShape {
  const { required = [], ...inner } = fileNode(schema);
  const all = required.map((key) => {
    const other = alternatives[key];
    return other === undefined ? { required: [key] } : { anyOf: [{ required: [key] }, { required: [other] }] };
  });
  return { ...inner, anyOf: [{ required: ['extends'] }, { allOf: all }] };
}

/** The same of a part of a configuration: nothing is required, and a key with dots is set as by --set. */
export function partSchema(schema: JsonShape): JsonShape {
  const { required: _, ...inner } = fileNode(schema);
  return { ...inner, patternProperties: { '[.[]': {} } };
}

function fileNode(node: JsonShape): JsonShape {
  const { 'x-expected': _expected, 'x-type': _type, ...plain } = mapChildren(node, fileNode);
  if (plain.properties === undefined) return plain;
  const properties = Object.entries(plain.properties).map(([key, value]) => [key, orEmpty(value as JsonShape)]);
  return { ...plain, properties: { ...Object.fromEntries(properties), extends: extendsSchema } };
}

const extendsSchema = {
  description: 'A configuration file, relative to this one, that this section lies over',
  type: ['string', 'null'],
} as const;

/** An empty value counts as none. */
function orEmpty(node: JsonShape): JsonShape {
  if (node.enum !== undefined) return { ...node, enum: [...node.enum, null] };
  if (node.anyOf !== undefined) return { ...node, anyOf: [...node.anyOf, { type: 'null' }] };
  return node.type === undefined ? node : { ...node, type: [node.type, 'null' as const].flat() };
}

/** A copy with every schema directly below replaced. */
function mapChildren(node: JsonShape, map: (child: JsonShape) => JsonShape): JsonShape {
  const copy: JsonShape = { ...node };
  const { properties, items, anyOf, additionalProperties } = node;
  if (properties) {
    copy.properties = Object.fromEntries(
      Object.entries(properties).map(([key, each]) => [key, map(each as JsonShape)]),
    );
  }
  if (items && !Array.isArray(items)) copy.items = map(items as JsonShape);
  if (anyOf) copy.anyOf = anyOf.map((each) => map(each as JsonShape));
  if (typeof additionalProperties === 'object') copy.additionalProperties = map(additionalProperties as JsonShape);
  return copy;
}
