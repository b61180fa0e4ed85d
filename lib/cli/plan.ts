// burgeon plan: what a run would cost, before any training.

import { Command } from 'commander';
import { addonProblem } from '../addon/load.ts';
import { countFlops } from '../est/flops.ts';
import { countParameters } from '../est/parameters.ts';
import { planSchedule } from '../est/plan.ts';
import { planCurve } from '../est/plan-curve.ts';
import { Schedule, scheduleNames } from '../est/schedule.ts';
import { replaceFile } from '../files/replace-file.ts';
import { planMemory } from '../model/native-options.ts';
import { mostRanks } from '../ranks/variables.ts';
import { drawPlan, planColumns, planSvg } from '../report/plan-picture.ts';
import { checkpointSpace } from '../train/checkpoint-space.ts';
import { planStageMemory } from '../train/stage-memory.ts';
import { planUpdates } from '../train/update-plan.ts';
import {
  configArgumentHelp,
  deviceOption,
  integerAtLeast,
  numberAbove,
  numberBetween,
  ranksOption,
  setOption,
} from './options.ts';
import { comparePresets, describePresets } from './plan-compare.ts';
import { describeRanks, planOfRanks, withShareOfRank } from './plan-ranks.ts';
import { planOptions, planSubject, type SubjectFlags } from './plan-subject.ts';
import {
  describeCheckpoints,
  describeDenseStep,
  describeMemory,
  describeParameters,
  describePlan,
  describeUnknownMemory,
  describeUpdates,
  titleOf,
} from './plan-text.ts';

interface PlanFlags extends SubjectFlags {
  compare?: boolean;
  measure: boolean;
  ranks?: number;
  bandwidth?: number;
  svg?: string;
  json?: boolean;
}

export function planCommand(): Command {
  return new Command('plan')
    .summary('parameters, memory, FLOPs and saving of a run, before training it')
    .description(
      'Prints parameters, memory, FLOPs by component, and the saving of every stage of a schedule, without training anything. ' +
        'Describes a configuration, or a model and a schedule given as options. Needs the native addon for memory and times only.',
    )
    .argument('[config]', configArgumentHelp)
    .addOption(setOption())
    .option('--model <preset>', 'model preset, instead of a configuration')
    .option('--vocab-size <n>', 'vocabulary size, where the preset has none', integerAtLeast(1))
    .option('--schedule <name>', `${scheduleNames.join(', ')} (default: that of the configuration, or est-gpt2)`)
    .option('--steps <n>', 'optimizer steps (default: 150000)', integerAtLeast(1))
    .option('--batch-size <n>', 'sequences per step (default: 8)', integerAtLeast(1))
    .option('--sequence-length <n>', "tokens per sequence (default: the model's context length)", integerAtLeast(1))
    .option(
      '--target-saving <share>',
      'find the stage ends that save this share of the block FLOPs',
      numberBetween(0, 1),
    )
    .option('--compare', 'all presets side by side, with times estimated from a few steps of each stage')
    .option('--no-measure', 'with --compare: do not take these steps')
    .addOption(deviceOption())
    .addOption(
      ranksOption('also what n processes that train together exchange; memory is then that of one of them', mostRanks),
    )
    .option(
      '--bandwidth <GB/s>',
      'with --ranks: what a rank can send per second while it receives as much, in 10^9 bytes: times are estimated with it',
      numberAbove(0),
    )
    .option('--svg <file>', 'also draw cost and saving along the run into an image')
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon plan shakespeare-char\n  burgeon plan shakespeare-char --compare\n  burgeon plan --model gpt2 --schedule stack-4 --svg plan.svg\n  burgeon plan --model gpt2 --target-saving 0.2\n  burgeon plan --model gpt2 --ranks 8 --bandwidth 12.5',
    )
    .action(async (file: string | undefined, flags: PlanFlags, command: Command) => {
      if (file !== undefined && flags.model !== undefined) {
        command.error('error: a configuration has its own model; leave --model out, or change it with --set model=...');
      }
      if (file === undefined && flags.set.length > 0) command.error('error: --set takes a configuration to change');
      if (flags.compare && (flags.schedule !== undefined || flags.targetSaving !== undefined)) {
        command.error('error: --compare plans every schedule; leave --schedule and --target-saving out');
      }
      if (flags.compare && flags.ranks !== undefined) command.error('error: --compare and --ranks exclude each other');
      if (flags.bandwidth !== undefined && flags.ranks === undefined) {
        command.error('error: --bandwidth goes with --ranks');
      }
      if (!flags.measure && !flags.compare) command.error('error: --no-measure goes with --compare');
      await (flags.compare ? printComparison(file, flags) : printPlan(file, flags));
    });
}

async function printComparison(file: string | undefined, flags: PlanFlags): Promise<void> {
  const subject = await planSubject(file, flags);
  const comparison = await comparePresets(subject, flags.measure);
  console.log(flags.json ? JSON.stringify(comparison, null, 2) : describePresets(comparison, subject.config.steps));
}

async function printPlan(file: string | undefined, flags: PlanFlags): Promise<void> {
  const subject = await planSubject(file, flags);
  const { model, config } = subject;
  const { batchSize, sequenceLength } = config;
  const ranks = flags.ranks === undefined ? null : planOfRanks(subject, flags.ranks, flags.bandwidth);
  // What one process does of a step.
  const ofRank = flags.ranks === undefined ? subject : withShareOfRank(subject, flags.ranks);
  const { accumulationSteps } = ofRank.config;
  const memoryOptions = { ...ofRank.modelOptions, ranks: flags.ranks ?? 1 };
  const schedule = new Schedule(config.est.schedule, config.steps);
  const options = planOptions(subject);
  const plan = planSchedule(model, schedule, options);
  // Exact, because the engine itself says it; a plan is a plan without it too.
  const hasEngine = addonProblem() === undefined;
  const memory = hasEngine
    ? planMemory(model, batchSize, sequenceLength, {
        ...memoryOptions,
        accumulationSteps: Math.ceil(accumulationSteps),
      })
    : null;
  const stageMemory = hasEngine ? planStageMemory(model, ofRank.config, memoryOptions) : null;
  const parameters = countParameters(model);
  // Without a configuration nobody has said where.
  const space = await checkpointSpace(model, config);
  const checkpoints = file === undefined ? { ...space, available: null } : space;
  const updates = planUpdates(model, config, plan.stages);
  const dense = countFlops(model, { batchSize: options.sequencesPerStep, sequenceLength });
  if (flags.svg !== undefined) {
    const curve = planCurve(model, schedule, options, 600);
    await replaceFile(flags.svg, planSvg(titleOf(subject, plan), curve, schedule.stages), 'the picture');
  }
  if (flags.json) {
    console.log(
      JSON.stringify(
        {
          model,
          parameters,
          memory,
          stageMemory,
          checkpoints,
          denseStep: dense,
          ...(updates && { updates }),
          plan,
          ...(ranks && { ranks }),
        },
        null,
        2,
      ),
    );
    return;
  }
  console.log(describePlan(subject, plan, stageMemory));
  if (!schedule.isDense) console.log(`\n${drawPlan(planCurve(model, schedule, options, planColumns))}`);
  console.log(`\n${describeParameters(parameters)}`);
  console.log(`\n${memory === null ? describeUnknownMemory(parameters) : describeMemory(ofRank, memory)}`);
  if (ranks !== null) console.log(`\n${describeRanks(ranks)}`);
  console.log(`\n${describeCheckpoints(subject, checkpoints)}`);
  console.log(`\n${describeDenseStep(dense)}`);
  if (updates) console.log(`\n${describeUpdates(updates)}`);
  if (flags.svg !== undefined) console.log(`\nwrote ${flags.svg}`);
}
