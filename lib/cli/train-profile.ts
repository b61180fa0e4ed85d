// burgeon train --profile: where the time of a step goes, as a table and as a trace.

import path from 'node:path';
import { describeHost } from '../addon/host.ts';
import { busyNote } from '../addon/peak.ts';
import { type OpTotals, phases, savingOf, traceOf } from '../bench/profile-events.ts';
import { disturbedStages, profilePage } from '../bench/profile-page.ts';
import { type Profile, type ProfiledStage, profileSteps } from '../bench/profile-steps.ts';
import { commandLine } from '../bench/result-file.ts';
import { writeBenchPage } from '../bench/write-page.ts';
import { explainWriting } from '../files/explain-writing.ts';
import { makeDirectory } from '../files/make-directory.ts';
import { replaceFile } from '../files/replace-file.ts';
import { requireRunPlace } from '../train/run-directory.ts';
import type { TrainConfig } from '../train/train-config.ts';
import { count, counted, facts, percent, table, wrapped } from './format.ts';
import { interruptSignal } from './interrupt.ts';
import { ProgressLine } from './progress.ts';

/** Files in the output directory. */
const [tableName, traceName, pageName] = ['profile.txt', 'profile-trace.json', 'profile.html'];

export async function runProfile(
  config: TrainConfig,
  steps: number,
  flags: { json?: boolean; quiet?: boolean },
): Promise<void> {
  await requireRunPlace(config.output);
  const progress = new ProgressLine();
  const interrupt = interruptSignal(() => progress.print('stopping after this step; once more to stop at once'));
  try {
    const profile = await profileSteps(config, {
      steps,
      signal: interrupt.signal,
      onProgress: (text) => {
        if (!flags.quiet && !flags.json) progress.update(() => text);
      },
    });
    progress.clear();
    if (profile === undefined) {
      console.error('stopped before the end; nothing was written');
      process.exitCode = interrupt.exitCode();
      return;
    }
    const text = describeProfile(profile, steps);
    const [tableFile, traceFile, pageFile] = [tableName, traceName, pageName].map((name) =>
      path.join(config.output, name),
    ) as [string, string, string];
    await explainWriting(`${config.output} (the profile)`, 'nothing else was changed', () =>
      makeDirectory(config.output),
    );
    await replaceFile(tableFile, `${text}\n`, 'the profile');
    await replaceFile(traceFile, JSON.stringify(traceOf(profile.stages)), 'the trace');
    await writeBenchPage(pageFile, profilePage(profile, headOf(config, profile, steps)));
    if (flags.json) {
      const { stages, ...rest } = profile;
      console.log(
        JSON.stringify({
          ...rest,
          stages: stages.map(({ steps: _, ...stage }) => stage),
          table: tableFile,
          trace: traceFile,
          page: pageFile,
          warnings: busyWarnings(profile),
        }),
      );
    } else {
      console.log(
        `${text}\n\nwrote ${pageFile}, ${tableFile} and ${traceFile} (for chrome://tracing or ui.perfetto.dev)`,
      );
    }
  } finally {
    progress.clear();
    interrupt.release();
  }
}

/** Where other processes had a part in the times. */
function busyWarnings({ stages, peak }: Profile): string[] {
  const busy = busyNote(peak);
  return [...(busy ? [busy] : []), ...disturbedStages(stages)];
}

function headOf(config: TrainConfig, { device, precision, threads }: Profile, steps: number) {
  const { processor, cores, memoryGiB, system, node, burgeon, commit } = describeHost();
  return {
    title: `profile of ${config.output}, ${steps} steps of every stage`,
    command: commandLine(process.argv.slice(2)),
    written: new Date().toISOString(),
    precision,
    machine: [
      ['processor', `${processor}, ${cores} cores available, ${memoryGiB} GiB, ${system}`],
      [isOnDevice(device) ? 'device' : 'threads', isOnDevice(device) ? device : String(threads)],
      ['burgeon', `${burgeon}${commit === null ? '' : ` (${commit})`}, node ${node}`],
    ] as const,
  };
}

const isOnDevice = (device: string) => device.startsWith('cuda');

/** Tables of all stages. */
export function describeProfile(profile: Profile, steps: number): string {
  const { stages, device, peak, peakFlopsPerSecond, threads } = profile;
  const complete = stages.find(({ isDense }) => isDense)!;
  return [
    `${counted(steps, 'step')} of every stage in turn, ${isOnDevice(device) ? device : counted(threads, 'thread')}; means of the faster half`,
    ...busyWarnings(profile).map((warning) => wrapped(`note: ${warning}`)),
    '',
    table([
      ['', 'ms', ...phases],
      ...stages.map(({ name, totals }) => [
        name,
        totals.ms.toFixed(2),
        ...phases.map((phase) => percent(totals.phases[phase] / totals.ms)),
      ]),
    ]),
    ...stages.flatMap((stage) => [
      '',
      `${stage.name}${stage.isDense ? ', nothing left out' : ''}`,
      opTable(stage, complete, profile),
    ]),
    '',
    facts([
      ['GFLOP/s', `of the peak of ${count(peakFlopsPerSecond)}FLOP/s, measured`],
      [
        'GB/s',
        `operands and outputs, once each, of a memory copy of ${count(peak.bytesPerSecond)}B/s; from caches it can be more`,
      ],
      [
        'idle',
        isOnDevice(device)
          ? 'of a step: no op runs on the device; here each is launched alone, in training a micro-batch at once'
          : 'of a step: no op runs and no batch is waited for, as when subnetworks are drawn',
      ],
      ['skip eff.', `time saved over FLOPs saved (bytes, without FLOPs) against ${complete.name}`],
    ]),
  ].join('\n');
}

function opTable(
  { totals, isDense }: ProfiledStage,
  complete: ProfiledStage,
  { peak, peakFlopsPerSecond }: Profile,
): string {
  const perSecond = (amount: number, { ms }: OpTotals) => amount / (ms / 1000);
  const or = (amount: number, text: () => string) => (amount === 0 ? '' : text());
  const rows = totals.ops.map((op) => {
    const [flops, bytes] = [perSecond(op.flops, op), perSecond(op.bytes, op)];
    const saving = isDense ? null : savingOf(op, complete.totals);
    return [
      `${op.phase} ${op.op}`,
      String(Math.round(op.calls)),
      op.ms.toFixed(3),
      percent(op.share),
      or(flops, () => (flops / 1e9).toFixed(1)),
      or(flops, () => percent(flops / peakFlopsPerSecond, 0)),
      or(bytes, () => (bytes / 1e9).toFixed(1)),
      or(bytes, () => percent(bytes / peak.bytesPerSecond, 0)),
      ...(isDense
        ? []
        : [
            saving ? percent(saving.workRatio) : '',
            saving ? percent(saving.timeRatio) : '',
            saving?.efficiency?.toFixed(2) ?? '',
          ]),
    ];
  });
  return table([
    [
      '',
      'calls',
      'ms',
      'share',
      'GFLOP/s',
      'of peak',
      'GB/s',
      'of copy',
      ...(isDense ? [] : ['work', 'time', 'skip eff.']),
    ],
    ...rows,
  ]);
}
