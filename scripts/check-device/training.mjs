// Real runs: text of this folder becomes tokens, the first steps of two runs are held against the CPU's, and GPT-2 124M trains for
// some minutes, dense and with the growth that is recommended.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { burgeon, root } from './commands.mjs';
import { figure, median } from './figures.mjs';
import { Outcome } from './outcome.mjs';

export const schedules = ['dense', 'stack-4'];

/** What losses of bfloat16 may differ from those of the CPU in float32, as in `burgeon selfcheck`. */
const tolerance = 0.02;

/** Documentation and packages: 1.3 million tokens, which a run of minutes reads many times. */
const texts = ['docs/*.md', 'configs/texts/*.txt', 'dist/**/*.js', 'node_modules/{commander,yaml,zod}/**/*.{md,js}'];

export async function prepareText({ run, tokens, isGiven, isTiny }) {
  if (isGiven) return { note: `given: ${tokens}` };
  const inputs = isTiny ? texts.slice(1, 2) : texts;
  await run(...burgeon(['prepare', ...inputs, '-o', tokens, '--tokenizer', isTiny ? 'bytes' : 'gpt2', '--json']));
  const { splits } = JSON.parse(readFileSync(path.join(tokens, 'manifest.json'), 'utf8'));
  return { note: `${splits.train.tokens} tokens` };
}

/** A configuration over that of GPT-2 124M; `log.peakFlops` given, as measuring it takes longer than first steps. */
function configOf({ schedule, steps, batchSize, microBatches = 1, learningRate = 6e-4, tokens, output, isTiny }) {
  return {
    extends: path.join(root, 'configs', 'gpt2-124m.yaml'),
    model: isTiny ? { preset: 'gpt2-tiny', nEmbd: 32, contextLength: 16 } : 'gpt2',
    data: { directory: tokens },
    output,
    steps,
    batchSize,
    accumulationSteps: microBatches,
    est: { schedule },
    optimizer: { learningRate, warmupSteps: Math.ceil(steps / 10) },
    evaluation: { every: Math.ceil(steps / 4), windows: isTiny ? 2 : 64 },
    checkpoint: { every: Math.ceil(steps / 4), keepLast: 1 },
    log: { peakFlops: 1e15 },
  };
}

/** Runs `burgeon train` of a configuration, and gives the lines it prints. */
async function runTrain(flags, { run, config, output, device, gpus, ...settings }) {
  if (!existsSync(path.join(settings.tokens, 'manifest.json'))) await prepareText({ run, ...settings });
  writeFileSync(config, `${JSON.stringify(configOf({ ...settings, output }), null, 2)}\n`);
  const on = gpus === undefined ? ['--device', device] : ['--gpus', String(gpus)];
  const { stdout } = await run(...burgeon(['train', config, ...on, '--json', ...flags]));
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** Trains, and gives the lines of the steps and the summary. */
async function train({ file, suffix = '', place, ...settings }) {
  const output = file(`${suffix}.run`);
  const lines = await runTrain([place], { config: file(`${suffix}.config.yaml`), output, ...settings });
  // Gigabytes that nobody asked for; the report and the metrics stay.
  for (const name of readdirSync(output)) {
    if (name.startsWith('checkpoint-')) rmSync(path.join(output, name), { recursive: true });
  }
  return { steps: lines.slice(0, -1), summary: lines.at(-1).summary };
}

/** The same steps on the CPU and the device; also where layers are added. */
export async function compareFirstSteps({ on, ...context }) {
  const found = {};
  for (const schedule of schedules) {
    // Of one sequence, for the CPU's sake; a high rate would make of rounding large differences.
    const size = { steps: 10, batchSize: context.isTiny ? 2 : 1, learningRate: 1e-4 };
    const settings = { ...context, ...size, schedule, place: '--overwrite' };
    const losses = async (device) => {
      const { steps } = await train({ ...settings, device, suffix: `.${schedule}.${device.replace(':', '-')}` });
      return steps.map(({ loss }) => loss);
    };
    const [cpu, device] = [await losses('cpu'), await losses(on)];
    const differences = cpu.map((loss, i) => Math.abs(device[i] - loss) / loss);
    found[schedule] = { cpu, device, largestDifference: Math.max(...differences) };
  }
  writeFileSync(context.file('.json'), `${JSON.stringify(found, null, 2)}\n`);
  const largest = Math.max(...schedules.map((schedule) => found[schedule].largestDifference));
  const note = `losses of ${2 * 10} steps within ${(100 * largest).toFixed(2)} % of the CPU's`;
  if (largest <= tolerance) return { note };
  throw new Outcome('failed', `${note}, expected ${100 * tolerance} %`);
}

/** The same steps on one device and on two, which come to the same bits. */
export async function compareDevices(context) {
  const { devices, nccl } = JSON.parse(readFileSync(context.beside('doctor.json'), 'utf8')).cuda;
  if (devices.length < 2) throw new Outcome('not run', 'one device; several have never been tried');
  const size = { steps: 10, batchSize: context.isTiny ? 2 : 16, microBatches: 2 };
  const settings = { ...context, ...size, schedule: 'stack-4', place: '--overwrite' };
  const found = { nccl };
  for (const gpus of [1, 2]) {
    const { steps } = await train({ ...settings, gpus, suffix: `.${gpus}` });
    found[gpus] = steps.map(({ loss, gradientNorm }) => ({ loss, gradientNorm }));
  }
  writeFileSync(context.file('.json'), `${JSON.stringify(found, null, 2)}\n`);
  if (JSON.stringify(found[1]) === JSON.stringify(found[2]))
    return { note: `same losses on 1 and 2 devices, by ${nccl}` };
  throw new Outcome('failed', `losses of 1 and 2 devices differ, by ${nccl}`);
}

/** Of a run of some minutes. */
const sizeOf = (isTiny) => (isTiny ? { steps: 8, batchSize: 2 } : { steps: 1000, batchSize: 64 });

/** Where the time of its steps goes, op by op on the device. */
export async function profileRun({ on, ...context }) {
  const { isTiny, file } = context;
  const settings = { ...context, ...sizeOf(isTiny), schedule: 'stack-4', device: on };
  const flags = ['--profile', isTiny ? '1' : '10'];
  const [profile] = await runTrain(flags, { config: file('.config.yaml'), output: file('.run'), ...settings });
  writeFileSync(file('.json'), `${JSON.stringify(profile, null, 2)}\n`);
  const { totals } = profile.stages.find(({ isDense }) => isDense);
  const figures = totals.ops.map(({ phase, op, ms }) => figure(`complete step, ${phase} ${op}`, ms));
  const share = (phase) => `${phase} ${((100 * totals.phases[phase]) / totals.ms).toFixed(1)} %`;
  return {
    figures: isTiny ? [] : figures.filter(({ share }) => share !== undefined),
    note: ['forward', 'backward', 'optimizer', 'idle'].map(share).join(', '),
  };
}

/** A run of some minutes; one that was stopped goes on. */
export async function trainRun(schedule, { on, isNew, ...context }) {
  const { isTiny, file, beside } = context;
  const size = sizeOf(isTiny);
  const place = isNew ? '--overwrite' : '--auto-resume';
  const { steps, summary } = await train({ ...context, ...size, schedule, device: on, place });
  writeFileSync(file('.json'), `${JSON.stringify({ summary, steps }, null, 2)}\n`);
  const { initialValidationLoss, validationLoss, trainMs, tokens } = summary;
  if (!(validationLoss < initialValidationLoss)) {
    throw new Outcome(
      'failed',
      `validation loss: expected less than ${initialValidationLoss}, was ${validationLoss} at the end`,
    );
  }
  const lastStage = steps.at(-1)?.stage;
  const complete = steps.filter(({ stage }) => stage === lastStage).map(({ ms }) => ms);
  const dense = beside('train-dense.json');
  const isHeld = schedule !== 'dense' && existsSync(dense);
  const denseMs = isHeld ? JSON.parse(readFileSync(dense, 'utf8')).summary.trainMs : undefined;
  return {
    // Of a run that goes on where it had ended there are none.
    figures: isTiny || complete.length === 0 ? [] : [figure(`train-${schedule} complete step`, median(complete))],
    note: [
      `validation loss ${initialValidationLoss.toFixed(2)} to ${validationLoss.toFixed(2)}`,
      `${Math.round((1000 * tokens) / trainMs)} tokens/s`,
      ...(isHeld ? [`${((100 * trainMs) / denseMs).toFixed(1)} % of the dense run's time`] : []),
    ].join(', '),
  };
}
