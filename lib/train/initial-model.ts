// The model that a run starts from instead of new weights: `initFrom`. Opened and checked before anything is written.

import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { findModel } from '../checkpoint/find-model.ts';
import type { OpenModelDirectory } from '../checkpoint/model-directory.ts';
import { openModel } from '../checkpoint/open-model.ts';
import { newSpecialIds } from '../checkpoint/special-ids.ts';
import { BurgeonError } from '../errors.ts';
import { descriptionFileName } from '../tokenizer/description.ts';
import { tokenizerDifference } from '../tokenizer/difference.ts';
import { readTokenizer } from '../tokenizer/open-tokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { checkpointPart, describePart } from './checkpoint-part.ts';
import type { StartMode } from './run-directory.ts';
import type { TrainConfig } from './train-config.ts';

/** What is known of the data. */
interface Data {
  vocabSize?: number;
  tokenizer: Tokenizer | undefined;
}

/**
 * Opens the model that a configuration starts from; the caller closes it. Its tokenizer is the data's, where that is known.
 * @throws {BurgeonError} ERR_BURGEON_CHECKPOINT when it is no model; ERR_BURGEON_CONFIG when it is not the configuration's
 *   or about to be deleted; ERR_BURGEON_DATA when the data are those of another tokenizer, or the model's cannot be used.
 */
export async function openInitialModel(
  initFrom: string,
  config: TrainConfig,
  data: Data,
  { start, onNote }: { start: StartMode; onNote?: ((note: string) => void) | undefined },
): Promise<OpenModelDirectory> {
  const source = await openModel(await findModel(initFrom, onNote));
  try {
    requireSameModel(initFrom, config, source);
    await requireSameTokens(initFrom, source, data);
    if (start === 'overwrite') await requireOutside(initFrom, config.output, source.directory);
  } catch (error) {
    await source.close();
    throw error;
  }
  return withTokenizer(source, data.tokenizer);
}

/** The files of the model's own tokenizer stay as they are, with those that name it for burgeon; as do its special ids. */
function withTokenizer(source: OpenModelDirectory, tokenizer: Tokenizer | undefined): OpenModelDirectory {
  if (tokenizer === undefined) return source;
  const own = tokenizer.files();
  const tokenizerFiles = {
    ...own,
    ...source.tokenizerFiles,
    [descriptionFileName]: own[descriptionFileName]!,
  };
  const { endOfText } = tokenizer;
  if (namesTokenizer(source)) return { ...source, tokenizerFiles };
  return { ...source, tokenizerFiles, endOfText, specialIds: newSpecialIds(endOfText) };
}

function namesTokenizer({ tokenizerFiles }: OpenModelDirectory): boolean {
  return Object.keys(tokenizerFiles).length > 0;
}

/** What has to be said of a model from a stage that trained only its first units. */
export async function partNotes({ directory, model }: OpenModelDirectory): Promise<string[]> {
  const part = await checkpointPart(directory, model);
  if (part === undefined) return [];
  return [
    `initFrom ${directory}: only ${describePart(part, model)} have been trained there; the others have initial weights. ` +
      'burgeon export writes what was trained as a model of its own',
  ];
}

/** Every field that the configuration gives, or has by default, is the model's; its vocabulary may be left open. */
function requireSameModel(initFrom: string, config: TrainConfig, { model }: OpenModelDirectory): void {
  const found: Record<string, unknown> = { ...model };
  const expected: Record<string, unknown> = { vocabSize: model.vocabSize, ...config.model };
  const isOtherKind = config.model.architecture !== model.architecture;
  const fields = isOtherKind ? ['architecture'] : Object.keys({ ...expected, ...found });
  const differences = fields.flatMap((field) => {
    const [ours = 'nothing', theirs = 'nothing'] = [JSON.stringify(expected[field]), JSON.stringify(found[field])];
    return ours === theirs ? [] : [`model.${field}: the configuration has ${ours}, the model ${theirs}`];
  });
  if (differences.length === 0) return;
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `initFrom ${initFrom}: expected the model of the configuration, found another:\n  ${differences.join('\n  ')}\nleave the model section out to use the model as it is`,
  );
}

async function requireSameTokens(initFrom: string, source: OpenModelDirectory, data: Data): Promise<void> {
  const theirs = namesTokenizer(source) && data.tokenizer ? await readTokenizer(source.directory) : undefined;
  const isSame = !theirs || JSON.stringify(theirs) === JSON.stringify(data.tokenizer);
  const { vocabSize } = source.model;
  if (isSame && (data.vocabSize ?? 0) <= vocabSize) return;
  const found = isSame
    ? `data of ${data.vocabSize} tokens`
    : `data of another tokenizer (${tokenizerDifference(theirs, data.tokenizer!)})`;
  throw new BurgeonError(
    'ERR_BURGEON_DATA',
    `initFrom ${initFrom}: expected data of the model's tokenizer and its ${vocabSize} tokens, found ${found}; prepare the text ` +
      `with the tokenizer of the model (burgeon prepare -t ${source.directory})`,
  );
}

/** Deleting the run would delete what it starts from. */
async function requireOutside(initFrom: string, output: string, directory: string): Promise<void> {
  const actual = (given: string) => realpath(given).catch(() => path.resolve(given));
  const [run, model] = [await actual(output), await actual(directory)];
  if (model !== run && !model.startsWith(run + path.sep)) return;
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `initFrom ${initFrom}: expected a model outside the run that is to be overwritten (${output}); choose another output`,
  );
}
