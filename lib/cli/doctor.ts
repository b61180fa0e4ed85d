// burgeon doctor: what this machine is, what was loaded and why, and how fast it is. Pasteable into a bug report.

import os from 'node:os';
import process from 'node:process';
import { Command } from 'commander';
import { findCuda } from '../addon/cuda.ts';
import { loadAddon, packageVersion } from '../addon/load.ts';
import { busyNote, measurePeak } from '../addon/peak.ts';
import { BurgeonError } from '../errors.ts';
import { Model } from '../model/model.ts';
import { chooseThreads } from '../model/native-options.ts';
import { bytes, count, counted, facts } from './format.ts';
import { threadsOption } from './options.ts';

export function doctorCommand(): Command {
  return new Command('doctor')
    .summary('versions, processor, measured peak and bandwidth, and what was loaded')
    .description('Reports versions, processor, measured peak and bandwidth, and what was loaded and why.')
    .addOption(threadsOption())
    .option('--json', 'print as JSON')
    .action(async (flags: { threads?: number; json?: boolean }) => {
      const addon = loadAddon();
      const threads = chooseThreads(flags.threads);
      const backend = await describeBackend(threads);
      const one = await measurePeak(1);
      const all = await measurePeak(threads);
      const busy = busyNote(all);
      const cuda = findCuda();
      const environment = Object.entries(process.env).filter(([name]) => name.startsWith('BURGEON_'));
      const report = {
        burgeon: packageVersion,
        node: process.version,
        system: `${os.type()} ${os.release()} ${process.arch}`,
        processor: os.cpus()[0]?.model.trim() ?? 'unknown',
        cores: os.availableParallelism(),
        memoryBytes: os.totalmem(),
        addon: addon.path,
        bestIsa: addon.binding.bestIsa,
        ...backend,
        cuda,
        threads,
        peakFlopsPerSecond: { oneThread: one.flopsPerSecond, allThreads: all.flopsPerSecond },
        processorShare: all.processorShare,
        copyBytesPerSecond: { oneThread: one.bytesPerSecond, allThreads: all.bytesPerSecond },
        environment: Object.fromEntries(environment),
      };
      if (flags.json) {
        console.log(JSON.stringify(report, null, 2));
        return;
      }
      console.log(
        facts(
          [
            ['burgeon', report.burgeon],
            ['node', report.node],
            ['system', report.system],
            ['processor', `${report.processor}, ${counted(report.cores, 'core')} available`],
            ['memory', bytes(report.memoryBytes)],
            ['addon', report.addon],
            [
              'backend',
              backend.backend ? `${backend.backend}, ${backend.isa}: ${backend.isaReason}` : backend.isaReason,
            ],
            ['cuda', describeCudaLine(cuda)],
            ['threads', String(threads)],
            [
              'fp32 peak',
              `${count(one.flopsPerSecond)}FLOP/s on 1 thread, ${count(all.flopsPerSecond)}FLOP/s on ${threads}`,
            ],
            [
              'bf16 peak',
              `${count(one.bf16FlopsPerSecond)}FLOP/s on 1 thread, ${count(all.bf16FlopsPerSecond)}FLOP/s on ${threads}`,
            ],
            ...(busy === undefined ? [] : [['busy', busy] as [string, string]]),
            [
              'memory copy',
              `${count(one.bytesPerSecond)}B/s on 1 thread, ${count(all.bytesPerSecond)}B/s on ${threads} (read + written)`,
            ],
            [
              'environment',
              environment.map(([name, value]) => `${name}=${value}`).join(' ') || 'no BURGEON_ variables',
            ],
          ],
          '',
        ),
      );
    });
}

/** What a model gets by default; `backend` is null where it gets none, and the reason says why. */
async function describeBackend(threads: number) {
  try {
    using probe = await Model.create({ preset: 'gpt2-tiny', vocabSize: 256 }, { threads });
    return { backend: probe.info.backend, isa: probe.info.isa, isaReason: probe.info.reason };
  } catch (error) {
    if (!(error instanceof BurgeonError)) throw error;
    return { backend: null, isa: null, isaReason: `none: ${error.message}` };
  }
}

function describeCudaLine(cuda: ReturnType<typeof findCuda>): string {
  if ('notUsed' in cuda) return `not used: ${cuda.notUsed}`;
  const devices = cuda.devices.map(
    ({ name, memoryBytes, capability }, i) =>
      `cuda:${i} ${name}, ${bytes(memoryBytes)}, compute capability ${capability}`,
  );
  return `${devices.join('; ')} (library built with ${cuda.toolkit} for ${cuda.architectures}); products by ${cuda.products}`;
}
