// burgeon export: a model in another format, element type or number of files.

import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { openAverage } from '../checkpoint/average.ts';
import { writeLlmc } from '../checkpoint/llmc.ts';
import { type ModelContents, type OpenModelDirectory, writeModelDirectory } from '../checkpoint/model-directory.ts';
import { openModel } from '../checkpoint/open-model.ts';
import { subnetworkContents } from '../checkpoint/subnetwork-contents.ts';
import { BurgeonError } from '../errors.ts';
import { partSubnetwork } from '../est/part.ts';
import type { WeightType } from '../formats/shards.ts';
import { checkpointPart, describePart, trainedLength } from '../train/checkpoint-part.ts';
import {
  chooseContents,
  keepRules,
  type SubnetworkFlags,
  subnetworkHelp,
  subnetworkOptions,
} from './export-subnetwork.ts';
import { interruptible } from './interrupt.ts';
import { modelArgumentHelp, namedModel } from './model-argument.ts';
import { bestOption, integerAtLeast } from './options.ts';
import { sayNote } from './say-note.ts';

interface ExportFlags extends SubnetworkFlags {
  output: string;
  format: 'huggingface' | 'llmc';
  dtype: 'f32' | 'bf16' | 'f16';
  maxShardSize?: number;
  full?: boolean;
  best?: boolean;
  average?: number;
}

export function exportCommand(): Command {
  const exporter = new Command('export')
    .summary('a model, or a subnetwork of it, for transformers or llm.c')
    .description(
      'Writes a model, or the newest checkpoint of a run, as a directory that transformers loads, or as a model_*.bin of ' +
        'llm.c, in float32, bfloat16 or float16. Optimizer and run state stay behind. With --keep-* it is a smaller model, of ' +
        'some of the layers, heads and neurons.',
    )
    .argument('<model>', modelArgumentHelp)
    .requiredOption('-o, --output <path>', 'directory to write (huggingface), or file (llmc)')
    .addOption(new Option('--format <name>', 'what to write').choices(['huggingface', 'llmc']).default('huggingface'))
    .addOption(
      new Option('--dtype <type>', 'element type of the weights').choices(['f32', 'bf16', 'f16']).default('f32'),
    )
    .option('--max-shard-size <size>', 'most bytes per weight file, e.g. 5GB or 500MB (default: one file)', byteSize)
    .option('--full', 'of a checkpoint that has trained only a part so far: the full model, untrained units and all')
    .option('--average <k>', 'of a run: the mean of the weights of its newest k checkpoints', integerAtLeast(1))
    .addOption(bestOption())
    .addHelpText('after', subnetworkHelp)
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon export runs/book -o book-bf16 --dtype bf16\n  burgeon export runs/book -o model_00000000.bin --format llmc\n  burgeon export model_00000000.bin -o gpt2-hf\n  burgeon export runs/book -o book-mean --average 2\n  burgeon export runs/book -o book-small --keep-neurons 0.5 --calibrate data/book',
    )
    .action(async (given: string, flags: ExportFlags, command: Command) => {
      const { output, format, maxShardSize } = flags;
      const dtype = flags.dtype.toUpperCase() as WeightType;
      if (format === 'llmc' && dtype === 'F16') {
        command.error('error: --dtype f16: the llm.c format has f32 and bf16 only');
      }
      if (format === 'llmc' && maxShardSize !== undefined) {
        command.error('error: --max-shard-size: an llm.c model is one file');
      }
      if (flags.average !== undefined && flags.best) {
        command.error('error: --average and --best exclude each other: one checkpoint is the best');
      }
      const rules = keepRules(flags, command);
      const source = await openSource(given, flags);
      try {
        if ((await actualPath(source.directory)) === (await actualPath(output))) {
          throw new BurgeonError(
            'ERR_BURGEON_CONFIG',
            `${output}: expected another path than the model's own; give another --output`,
          );
        }
        if (rules) await requireWhole(source, flags);
        const chosen = rules ? await chooseContents(source, rules, flags) : await trainedContents(source, flags);
        const contents = chosen?.contents ?? source;
        const sayStopping = () => console.error('stopping; nothing will be written');
        const isWritten = await interruptible(sayStopping, async (signal) => {
          const stoppable = stoppedBy(signal, contents);
          if (format === 'llmc') {
            if (dtype !== 'F16') await writeNewFile(output, () => writeLlmc(output, stoppable, dtype));
          } else {
            const options = maxShardSize === undefined ? { dtype } : { dtype, maxShardBytes: maxShardSize };
            await writeModelDirectory(output, stoppable, options);
          }
          return true;
        });
        if (!isWritten) return;
        if (chosen !== undefined) console.log(chosen.summary);
        const length = await trainedLength(source.directory, source.model);
        if (length !== undefined) {
          const { contextLength } = source.model;
          sayNote(`it takes ${contextLength} tokens, and was trained on sequences of ${length}`);
        }
        console.log(`wrote ${output}`);
      } finally {
        await source.close();
      }
    });
  for (const option of subnetworkOptions()) exporter.addOption(option);
  return exporter;
}

/** The model that is meant, or the mean of several. */
async function openSource(given: string, { average, best, full }: ExportFlags): Promise<OpenModelDirectory> {
  if (average === undefined) return openModel(await namedModel(given, best));
  const source = await openAverage(given, average);
  try {
    const parts: string[] = [];
    for (const directory of source.directories) {
      const part = full ? undefined : await checkpointPart(directory, source.model);
      parts.push(part === undefined ? 'the full model' : describePart(part, source.model));
    }
    const other = parts.findIndex((part) => part !== parts.at(-1));
    if (other >= 0) {
      throw new BurgeonError(
        'ERR_BURGEON_CONFIG',
        `--average ${average}: expected checkpoints that have trained the same part, ${source.directories[other]} has ${parts[other]}, the newest ${parts.at(-1)}; give a smaller number`,
      );
    }
    sayNote(`the mean of the checkpoints of steps ${source.steps.join(', ')}`);
    return source;
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** The same contents, of which no more tensors are read once the signal has come. */
function stoppedBy(signal: AbortSignal, contents: ModelContents): ModelContents {
  return {
    ...contents,
    readTensor(name) {
      signal.throwIfAborted();
      return contents.readTensor(name);
    },
  };
}

/** Of a checkpoint from a stage of first units the smaller model that these are; else nothing. */
async function trainedContents(source: OpenModelDirectory, { full }: ExportFlags) {
  const { model, directory } = source;
  const part = full ? undefined : await checkpointPart(directory, model);
  if (part === undefined) return undefined;
  try {
    const contents = subnetworkContents(source, partSubnetwork(part, model)!);
    return {
      contents,
      summary: `${describePart(part, model)}: the others have not been trained yet (--full writes all)`,
    };
  } catch (error) {
    if (!(error instanceof BurgeonError)) throw error;
    const message = `${error.message}. The run has trained ${describePart(part, model)}; --full writes the full model`;
    throw new BurgeonError(error.code, message, { cause: error });
  }
}

/** Choosing among units of which some were never trained is no choice. */
async function requireWhole({ directory, model }: OpenModelDirectory, { full }: ExportFlags): Promise<void> {
  const part = full ? undefined : await checkpointPart(directory, model);
  if (part === undefined) return;
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    `--keep-*: expected a model that is trained as a whole, but the run has trained only ${describePart(part, model)}; leave ` +
      'the option out to write these, or give --full to choose among all units, untrained ones too',
  );
}

/** The path behind symbolic links, of what may not exist. */
function actualPath(given: string): Promise<string> {
  return realpath(given).catch(() => path.resolve(given));
}

/** A file is not replaced: nothing says that it is a model. */
async function writeNewFile(file: string, write: () => Promise<void>): Promise<void> {
  if (await stat(file).catch(() => undefined)) {
    throw new BurgeonError(
      'ERR_BURGEON_CHECKPOINT',
      `${file}: expected no such file, found one; remove it or name another`,
    );
  }
  await write();
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
};

/** "5GB" (10^9, as in transformers), "500MiB", or plain bytes. */
function byteSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmg]i?b)?$/i.exec(text.trim());
  const bytes = match === null ? 0 : Number(match[1]) * units[(match[2] ?? '').toUpperCase()]!;
  if (bytes >= 1) return Math.floor(bytes);
  throw new InvalidArgumentError('Expected a size such as 5GB, 500MB or 100MiB.');
}
