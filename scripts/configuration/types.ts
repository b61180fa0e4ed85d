// The types of what a program may pass as a configuration, with a docstring for each key.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import type { JsonShape } from '../../lib/config/fields.ts';
import { inputSchema } from '../../lib/config/json-schema.ts';
import { modelSchema } from '../../lib/config/model-config.ts';
import { trainSchema } from '../../lib/train/train-config.ts';
import { defaultText } from './default-text.ts';

const note = (what: string) => `// ${what}
// Written by \`npm run docs:configuration\` from the schema, whose words it has: do not edit.
`;

/** lib/config/model-config-input.ts. */
export function modelTypes(): string {
  const [, fields] = inputSchema(modelSchema).anyOf!;
  return formatted(`${note('A model as a program may give it: a name, a name and some fields, or fields.')}
import type { ModelPresetName } from './presets.ts';
import type { RopeScaling } from './rope.ts';

/** The fields of a model. */
export interface ModelFields ${typeOf(fields as JsonShape)}

/** A model: the name of a preset, or a section of fields, which may begin with a preset. */
export type ModelConfigInput = ModelPresetName | ModelFields;
`);
}

/** lib/train/train-config-input.ts. */
export function trainTypes(): string {
  const schema = inputSchema(trainSchema);
  const stage = find(schema, 'StageInput')!;
  return formatted(`${note('A training configuration as a program may give it: what has a default may be left out.')}
import type { Device } from '../config/device.ts';
import type { ModelConfigInput } from '../config/model-config-input.ts';
import type { ScheduleName } from '../est/schedule.ts';
import type { StageRate } from '../est/stage.ts';

/** A stage of \`est.schedule\`; it begins where the one before ends. */
export interface StageInput ${typeOf({ ...stage, 'x-type': undefined as never })}

/** The keys of a training configuration. \`parseTrainConfig\` checks one that comes from elsewhere, for example from JSON. */
export interface TrainConfigInput ${typeOf(schema)}
`);
}

/** TypeScript for a schema. */
function typeOf(node: JsonShape): string {
  if (node['x-type'] !== undefined) return node['x-type'];
  if (node.enum) return node.enum.map((word) => JSON.stringify(word)).join(' | ');
  if (node.anyOf) return node.anyOf.map((each) => typeOf(each as JsonShape)).join(' | ');
  if (node.type === 'array') return `readonly (${typeOf(node.items as JsonShape)})[]`;
  if (node.properties) return `{\n${Object.entries(node.properties).map(property(node)).join('\n')}\n}`;
  const plain: Record<string, string> = { integer: 'number', number: 'number', string: 'string', boolean: 'boolean' };
  const type = plain[node.type as string];
  if (type === undefined) throw new Error(`no type for ${JSON.stringify(node)}`);
  return type;
}

const property =
  ({ required = [] }: JsonShape) =>
  ([key, value]: [string, unknown]): string => {
    const node = value as JsonShape;
    const isRequired = required.includes(key);
    const type = typeOf(node);
    return `${docstring(node)}${key}${isRequired ? '' : '?'}: ${type}${isRequired ? '' : ' | undefined'};`;
  };

function docstring(node: JsonShape): string {
  const text = node.description ?? node.title;
  if (text === undefined) return '';
  const fallback = defaultText(node);
  return `/** ${text}.${fallback === undefined ? '' : ` Default: ${fallback}.`} */\n`;
}

/** The part of a schema that has a type of this name. */
function find(node: JsonShape, type: string): JsonShape | undefined {
  if (node['x-type'] === type) return node;
  const children = [...Object.values(node.properties ?? {}), node.items, ...(node.anyOf ?? [])] as JsonShape[];
  for (const child of children) {
    const found = child && find(child, type);
    if (found) return found;
  }
  return undefined;
}

function formatted(text: string): string {
  const root = path.dirname(path.dirname(import.meta.dirname));
  const biome = path.join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
  const args = [biome, 'format', '--stdin-file-path=lib/generated.ts'];
  return execFileSync(process.execPath, args, { cwd: root, input: text, encoding: 'utf8' });
}
