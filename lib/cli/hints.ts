// What was probably meant by a command line that is refused: options that other trainers have, and `key=value` without its
// --set. Pure.

import { familiarKey, normalizeName } from '../config/familiar-names.ts';

export interface Mistake {
  /** Commander's, which may have a suggestion on its second line. */
  message: string;
  /** All arguments of the command line. */
  args: readonly string[];
  /** Options that the command has, long: `--device`. */
  options: readonly string[];
  /** Keys of the configuration that its --set changes. */
  keys: readonly string[];
}

/** Names of options elsewhere, without separators, and those here that do the same. */
const sameOption: Readonly<Record<string, string>> = {
  ...{ out: '--output', outdir: '--output', outputdir: '--output', outfile: '--output', o: '--output' },
  ...{
    length: '--tokens',
    maxtokens: '--tokens',
    maxnewtokens: '--tokens',
    numtokens: '--tokens',
    temp: '--temperature',
  },
  ...{ tokens: '--count', count: '--tokens' },
  ...{ text: '--prompt', input: '--prompt', port: '--dashboard', continue: '--resume', force: '--overwrite' },
  ...{ checkpoint: '--init-from', pretrained: '--init-from' },
};

/** What is a value of a key here. */
const asSetting: Readonly<Record<string, string>> = {
  ...{ bf16: 'precision=bf16', fp32: 'precision=float32', float32: 'precision=float32' },
  ...{ dense: 'est.schedule=dense' },
};

/** The message with what was probably meant, as commander writes it; as it is where nothing comes to mind. */
export function withHint(mistake: Mistake): string {
  const hint = hintFor(mistake);
  const [first = ''] = mistake.message.split('\n');
  return hint === undefined ? mistake.message : `${first}\n(${hint})\n`;
}

function hintFor(mistake: Mistake): string | undefined {
  const { message, args, options } = mistake;
  const unknown = /unknown option '(-[^']*)'/.exec(message)?.[1];
  if (unknown !== undefined) return optionHint(unknown, mistake);
  if (message.includes("missing required argument 'config'")) {
    return '`burgeon init` writes one, `burgeon presets` lists those that come with the package';
  }
  if (message.includes("too many arguments for 'presets'")) {
    return '`burgeon plan --model NAME` tells more of a model, `burgeon plan NAME --compare` of the schedules';
  }
  if (!message.includes('too many arguments') || !options.includes('--set')) return undefined;
  const key = args.findIndex((arg, i) => args[i - 1] === '--set' && /^[a-z][\w.]*$/i.test(arg));
  const value = args[key + 1];
  if (key > 0 && value !== undefined && !value.startsWith('-')) {
    return didYouMean(`--set ${args[key]}=${shown(value)}`);
  }
  // `--set a=1 b=2`, and `key=value` as Hydra takes it.
  const settings = args.filter((arg, i) => isSetting(arg) && args[i - 1] !== '--set');
  if (settings.length === 0) return undefined;
  return `Every key=value needs a --set before it: ${settings.map((each) => `--set ${each}`).join(' ')}`;
}

const isSetting = (arg: string) => /^[a-z]\w*(?:[.[][\w.\]]*)?=/i.test(arg);

function optionHint(unknown: string, { args, options, keys }: Mistake): string | undefined {
  const [flag = '', attached] = unknown.split(/=(.*)/s);
  const name = normalizeName(flag);
  const following = args[args.indexOf(unknown) + 1];
  const value = attached ?? (following?.startsWith('-') ? undefined : following);
  if (options.includes('--device')) {
    if (name === 'gpu' || name === 'cuda') {
      return didYouMean(`--device cuda${value !== undefined && /^\d+$/.test(value) ? `:${value}` : ''}`);
    }
    if (name === 'cpu') return didYouMean('--device cpu');
  }
  const option = sameOption[name];
  if (option !== undefined && options.includes(option)) return didYouMean(option);
  if (!options.includes('--set')) return undefined;
  if (name === 'epochs' || name === 'numepochs' || name === 'numtrainepochs') {
    return 'A run is as many steps as you say, not epochs: --set steps=N';
  }
  const setting = asSetting[name];
  if (setting !== undefined) return didYouMean(`--set ${setting}`);
  const meant = keysOf(name, keys);
  if (meant.length === 0) return undefined;
  return didYouMean(meant.map((key) => `--set ${key}=${shown(value)}`).join(' or '));
}

/** A key by its last part or a familiar name; several where they share the part. */
function keysOf(name: string, keys: readonly string[]): string[] {
  const known = familiarKey(name) ?? { data: 'data.directory', out: 'output', o: 'output', batch: 'batchSize' }[name];
  if (known !== undefined && keys.includes(known)) return [known];
  return keys.filter((key) => !key.includes('[]') && normalizeName(key.split('.').at(-1)!) === name);
}

const didYouMean = (text: string) => `Did you mean ${text}?`;

/** A value as it would be typed. */
function shown(value: string | undefined): string {
  if (value === undefined) return 'VALUE';
  return /[\s"'$`\\]/.test(value) ? JSON.stringify(value) : value;
}
