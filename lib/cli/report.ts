// burgeon report: pictures of one or several runs, as one file.

import { Command } from 'commander';
import { writeReport } from '../report/write-report.ts';
import { sayNote } from './say-note.ts';

export function reportCommand(): Command {
  return new Command('report')
    .summary('curves, subnetworks, stages and samples of runs, as one HTML file')
    .description(
      'Writes one HTML file that needs nothing else: loss by step, tokens, executed FLOPs and seconds, what was trained ' +
        'and skipped, stages with planned and measured saving, samples, warnings and settings. Several runs overlay.',
    )
    .argument('<runs...>', 'run directories; others are compared with the first')
    .option('-o, --output <file>', 'file to write', 'report.html')
    .option('--json', 'print where it is as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon report runs/seed2\n  burgeon report runs/seed2 runs/tuned -o both.html',
    )
    .action(async (runs: string[], { output, json }: { output: string; json?: boolean }) => {
      await writeReport(runs, output, { onNote: sayNote });
      console.log(json ? JSON.stringify({ report: output, runs }) : `wrote ${output}`);
    });
}
