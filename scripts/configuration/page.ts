// docs/configuration.md: every key with its values, default and meaning, section by section.

import type { JsonShape } from '../../lib/config/fields.ts';
import { inputSchema } from '../../lib/config/json-schema.ts';
import { trainSchema } from '../../lib/train/train-config.ts';
import { defaultText } from './default-text.ts';

const head = `# Configuration

Every key of a training configuration. A file of them is YAML or JSON; a program passes the same keys to \`new Trainer()\` ([API](api.md)).
\`burgeon train --help\` prints this list, too.

<!-- Written by \`npm run docs:configuration\` from the schema in lib/train/train-config.ts: do not edit. -->

- A key that is left out, or empty, has its default. An unknown key is an error, which names the nearest known one.
- \`--set optimizer.learningRate=1e-3\` changes any key on the command line; list items are \`est.schedule[0].heads\`.
- \`extends: other.yaml\`, in a file or a section, [takes the keys of another file](sweeps.md#one-file-over-another), relative to this one.
- Other relative paths refer to the directory that you run from.
- Editors with a YAML language server complete and check the keys of a file that begins with this line; in a file of a
  [sweep](sweeps.md) it is \`sweep.schema.json\`:

\`\`\`yaml
# yaml-language-server: $schema=node_modules/burgeon/dist/train-config.schema.json
\`\`\`
`;

const titles: Record<string, string> = {
  '': 'Top level',
  'est.schedule[]': 'A stage: an item of est.schedule',
};

export function configurationPage(): string {
  return `${head}\n${sections(inputSchema(trainSchema), '').join('\n')}`;
}

/** The text of a section, and of those within it. */
function sections(node: JsonShape, prefix: string): string[] {
  const rows: string[] = [];
  const inner: string[] = [];
  for (const [key, value] of Object.entries(node.properties ?? {})) {
    const field = value as JsonShape;
    const parts = sectionsWithin(field);
    if (field.description !== undefined) rows.push(row(key, field));
    for (const { section, isItem } of parts) inner.push(...sections(section, `${prefix}${key}${isItem ? '[]' : ''}.`));
  }
  const name = prefix.slice(0, -1);
  const table = `| key | value | default | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`;
  const title = node.title === undefined ? '' : `${node.title}.\n\n`;
  return [`## ${titles[name] ?? name}\n\n${title}${table}`, ...inner];
}

/** Sections that a value is, or may be, or may be a list of; not what one value of several keys is (ropeScaling, rates). */
function sectionsWithin(field: JsonShape): { section: JsonShape; isItem: boolean }[] {
  const options = (field.anyOf ?? [field]) as JsonShape[];
  return options.flatMap((option) => {
    const isItem = option.type === 'array';
    const section = (isItem ? option.items : option) as JsonShape | undefined;
    const isDescribed = Object.values(section?.properties ?? {}).some((each) => (each as JsonShape).description);
    return isDescribed ? [{ section: section!, isItem }] : [];
  });
}

function row(key: string, field: JsonShape): string {
  const fallback = defaultText(field);
  const cells = [`\`${key}\``, expectedOf(field), fallback === undefined ? '' : `\`${fallback}\``, field.description!];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('<', '&lt;')).join(' | ')} |`;
}

/** "an integer of at least 1"; of alternatives, what the first says, which names the others. */
function expectedOf(field: JsonShape): string {
  const expected = field['x-expected'] ?? (field.anyOf?.[0] as JsonShape | undefined)?.['x-expected'] ?? '';
  return expected.replace(/^one of /, '');
}
