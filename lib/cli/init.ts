// burgeon init: the files that a project begins with, and what to type next.

import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Command } from 'commander';
import { packagedFile } from '../config/find-config.ts';
import { nearestHint } from '../config/nearest.ts';
import { BurgeonError } from '../errors.ts';
import { explainWriting } from '../files/explain-writing.ts';
import { makeDirectory } from '../files/make-directory.ts';
import { exists } from '../files/path-kinds.ts';
import { onStdout } from './colour.ts';
import { facts, wrapped } from './format.ts';
import { type Template, templates, textFile } from './templates.ts';

interface StartFile {
  name: string;
  content: string;
  /** For people. */
  what: string;
}

const gitignore = '.gitignore';
/** What a run leaves behind. */
const ignored = ['runs/', 'data/'];
const schema = 'node_modules/burgeon/dist/train-config.schema.json';

export function initCommand(): Command {
  return new Command('init')
    .summary('write a first configuration, and a text to train on')
    .description(
      'Writes the files that a project begins with: a configuration with comments, a .gitignore and, for some templates, a ' +
        'text to train on. Says what to type next. A file that is there stays as it is.',
    )
    .argument('[template]', templates.map(({ name }) => name).join(', '), templates[0]!.name)
    .argument('[dir]', 'directory to write into; made where it is missing', '.')
    .option('--list', 'say what the templates are for, and write nothing')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExamples:\n  burgeon init\n  burgeon init own-text my-model\n  burgeon init --list')
    .addHelpText('after', () => `\nTemplates:\n${describeTemplates()}`)
    .action(async (name: string, directory: string, flags: { list?: boolean; json?: boolean }) => {
      if (flags.list) console.log(flags.json ? JSON.stringify(templates, null, 2) : describeTemplates());
      else await init(findTemplate(name), directory, flags.json ?? false);
    });
}

function describeTemplates(): string {
  const width = Math.max(...templates.map(({ name }) => name.length)) + 4;
  return templates
    .map(({ name, summary }) => wrapped(`${name.padEnd(width - 2)}${summary}`, '  ', ' '.repeat(width)))
    .join('\n');
}

function findTemplate(name: string): Template {
  const template = templates.find((each) => each.name === name);
  if (template !== undefined) return template;
  const names = templates.map((each) => each.name);
  // A directory alone is the likelier meaning of a name that is near none.
  const hint = nearestHint(name, names) || `; for a directory: burgeon init ${names[0]} ${name}`;
  throw new BurgeonError('ERR_BURGEON_CONFIG', `template ${name}: expected one of ${names.join(', ')}${hint}`);
}

async function init(template: Template, directory: string, asJson: boolean): Promise<void> {
  await explainWriting(`${directory} (the project)`, 'nothing was written', () => makeDirectory(directory));
  const written: StartFile[] = [];
  const kept: StartFile[] = [];
  for (const file of await startFiles(template, directory)) {
    const isNew = await writeNew(path.join(directory, file.name), file.content);
    if (isNew) written.push(file);
    else kept.push(file.name === gitignore ? { ...file, what: await lacking(path.join(directory, gitignore)) } : file);
  }
  const next = template.next.map((command) => `npx burgeon ${command}`);
  if (path.resolve(directory) !== process.cwd())
    next.unshift(`cd ${/\s/.test(directory) ? `"${directory}"` : directory}`);
  if (asJson) {
    const names = (files: StartFile[]) => files.map(({ name }) => path.join(directory, name));
    console.log(JSON.stringify({ template: template.name, written: names(written), kept: names(kept), next }, null, 2));
    return;
  }
  const list = (title: string, files: readonly StartFile[]) =>
    files.length === 0
      ? []
      : [onStdout.title(title), facts(files.map(({ name, what }) => [path.join(directory, name), what])), ''];
  const lines = [
    ...list('wrote', written),
    ...list('left as they were', kept),
    onStdout.title('next'),
    ...next.map((command) => `  ${onStdout.command(command)}`),
  ];
  console.log(lines.join('\n'));
}

async function startFiles({ name, text }: Template, directory: string): Promise<StartFile[]> {
  const config = await readFile(packagedFile(name, 'training'), 'utf8');
  const line = `# yaml-language-server: $schema=${await schemaPath(directory)}\n`;
  return [
    {
      name: `${name}.yaml`,
      content: line + config.replace(/^# yaml-language-server:.*\n/m, ''),
      what: 'the configuration, with comments',
    },
    ...(text === undefined
      ? []
      : [{ name: text.file, content: await readFile(textFile(text.file), 'utf8'), what: text.what }]),
    {
      name: gitignore,
      content: ignored.map((line) => `${line}\n`).join(''),
      what: `keeps ${ignored.join(' and ')} out of git`,
    },
  ];
}

/** What someone's own .gitignore does not say. */
async function lacking(file: string): Promise<string> {
  const lines = (await readFile(file, 'utf8')).split(/\r?\n/).map((line) => line.trim().replace(/^\//, ''));
  const missing = ignored.filter((name) => !lines.some((line) => line === name || line === name.slice(0, -1)));
  return missing.length === 0 ? `has ${ignored.join(' and ')}` : `lacks ${missing.join(' and ')}: better add them`;
}

/** From a directory to the schema of the package that is installed there or above; editors follow it. */
async function schemaPath(directory: string): Promise<string> {
  for (let above = path.resolve(directory), way = ''; ; above = path.dirname(above), way += '../') {
    if (await exists(path.join(above, 'node_modules', 'burgeon'))) return way + schema;
    if (above === path.dirname(above)) return schema;
  }
}

/** @returns false where there is something already, which stays. */
async function writeNew(file: string, content: string): Promise<boolean> {
  try {
    await explainWriting(file, 'the others are written', async () => {
      // Checked by the system, so that no one's file is lost between a look and a write.
      await writeFile(file, content, { flag: 'wx' });
    });
    return true;
  } catch (error) {
    if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'EEXIST') return false;
    throw error;
  }
}
