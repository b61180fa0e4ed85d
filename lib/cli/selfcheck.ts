// burgeon selfcheck: does this device compute what it should? As a table and as JSON; exits with 1 where it does not.

import { Command } from 'commander';
import { describeHost } from '../addon/host.ts';
import { packageVersion } from '../addon/load.ts';
import { isCuda, targetOf } from '../bench/target.ts';
import type { Device } from '../config/device.ts';
import { replaceFile } from '../files/replace-file.ts';
import { Model } from '../model/model.ts';
import { chooseThreads } from '../model/native-options.ts';
import { checkCases } from '../selfcheck/cases.ts';
import { type CheckRow, selfCheck } from '../selfcheck/selfcheck.ts';
import { type MeasuredSpeed, measureSpeed } from '../selfcheck/speed.ts';
import { describeMachineLines, describeOps } from './bench-report.ts';
import { duration, small, table } from './format.ts';
import { deviceOption } from './options.ts';
import { ProgressLine } from './progress.ts';

export function selfcheckCommand(): Command {
  return new Command('selfcheck')
    .summary('whether a device computes what it should')
    .description(
      'Checks what a device computes: every op and whole steps against the float64 reference, dense and sampled; that ' +
        'nothing left out is read or written; that runs repeat and continue with the same bits; and the FLOPs executed. ' +
        'Measures the speed of a CUDA device at the end. Exits with 1 on any failure.',
    )
    .addOption(deviceOption())
    .option('--quick', 'tiny shapes and models only, and no speed')
    .option('--json <file>', 'write the results to a file')
    .action(async (flags: { device?: Device; quick?: boolean; json?: string }) => {
      const start = performance.now();
      const target = targetOf(flags.device, chooseThreads());
      const { device } = target;
      // A device that cannot be opened is one error, not a failure of every check.
      using probe = await Model.create(checkCases(true)[0]!.config, { device });
      const { isa, reason, threads } = probe.info;
      const progress = process.stderr.isTTY ? new ProgressLine() : undefined;
      const onProgress = (name: string) => progress?.update(() => name, true);
      const rows = await selfCheck({ device, isQuick: flags.quick ?? false, onProgress });
      const speed = isCuda(target) && !flags.quick ? await measureSpeed(target, onProgress) : undefined;
      progress?.clear();
      const ms = performance.now() - start;
      const count = (result: CheckRow['result']) => rows.filter((row) => row.result === result).length;
      const summary = { passed: count('passed'), failed: count('failed'), notRun: count('not run') };
      console.log(describeRows(rows));
      if (speed) console.log(`\n${describeSpeed(speed)}`);
      console.log(
        `\n${device} (${isa}: ${reason}): ${summary.passed} passed, ${summary.failed} failed, ${summary.notRun} not run in ${duration(ms)}`,
      );
      if (flags.json !== undefined) {
        const report = { format: 'burgeon-selfcheck-1', burgeon: packageVersion, date: new Date().toISOString() };
        const machine = { ...describeHost(), device, isa, reason, threads };
        await replaceFile(
          flags.json,
          `${JSON.stringify({ ...report, machine, ms, summary, rows, ...(speed && { speed }) }, null, 2)}\n`,
          'the result',
        );
      }
      if (summary.failed > 0) process.exitCode = 1;
    });
}

function describeSpeed({ machine, models }: MeasuredSpeed): string {
  const tables = models.map(({ settings, entries }) => describeOps(entries, settings));
  return [...tables, describeMachineLines(machine)].join('\n\n');
}

function describeRows(rows: readonly CheckRow[]): string {
  const number = (value: number) => (Number.isInteger(value) || value > 0.1 ? String(+value.toFixed(6)) : small(value));
  const cells = rows.map(({ name, result, measured, bound, isLeast, reason }) => [
    name,
    result,
    measured === null ? (reason ?? '') : number(measured),
    bound === null ? '' : `${isLeast ? '>=' : '<='} ${number(bound)}`,
  ]);
  return table([['check', 'result', 'measured', 'bound'], ...cells]);
}
