// npx tsx bench/compare/steps.ts [rows] [options]: the same training step in burgeon and in PyTorch, alternately in one
// run. README.md says how; `--help` lists rows and options.

import { writeFile } from 'node:fs/promises';
import { describeMachine } from '../../lib/bench/machine.ts';
import { chooseThreads } from '../../lib/model/native-options.ts';
import { beside, type ContenderCommand } from './contender.ts';
import { type Failure, measureSteps, type Result, warmUps } from './measure-steps.ts';
import { readArguments } from './read-arguments.ts';
import { defaultPython, pythonProblem, torchEnvironments } from './rivals.ts';
import { describeRow, type Precision, precisions, type StepRow, stepRows, usualRows } from './step-rows.ts';
import { stepTable, verdicts } from './step-table.ts';

const { values: options, positionals } = readArguments({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '11' },
    precision: { type: 'string', default: 'fp32' },
    threads: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'string' },
    python: { type: 'string', default: defaultPython() },
    help: { type: 'boolean', default: false },
  },
});

const usage = `usage: npx tsx bench/compare/steps.ts [rows] [--rounds N] [--precision fp32,bf16] [--threads N] [--only NAME,...]
                                       [--json FILE] [--python PATH]
  rows       names separated by commas (default ${usualRows.join(',')}):
${stepRows.map((row) => `               ${describeRow(row)}`).join('\n')}
  --only     contenders whose names begin with one of these: burgeon, eager, "compile tuned", ...
  --python   the Python that has PyTorch (default BURGEON_PYTHON or python3)`;

if (options.help) console.log(usage);
else if (!(await compareSteps())) process.exitCode = 2;

/** @returns false where the command line makes no sense. */
async function compareSteps(): Promise<boolean> {
  const names = positionals.length > 0 ? positionals.flatMap((names) => names.split(',')) : usualRows;
  const rows = names.map((name) => stepRows.find((row) => row.name === name));
  const wanted = options.precision.split(',').map((name) => precisions.find((precision) => precision === name));
  const rounds = Number(options.rounds);
  const threads = options.threads === undefined ? chooseThreads() : Number(options.threads);
  if (rows.includes(undefined) || wanted.includes(undefined) || !(rounds >= 1) || !(threads >= 1)) {
    console.error(usage);
    return false;
  }

  const machine = await describeMachine({ device: 'cpu', threads });
  const rivals = await rivalCommands(options.python);
  const asked = (name: string) =>
    options.only === undefined || options.only.split(',').some((start) => name.startsWith(start));
  const results: Result[] = [];
  const failures: Failure[] = [];
  for (const row of rows as StepRow[]) {
    for (const precision of wanted as Precision[]) {
      console.log(`${describeRow(row)}, ${precision}`);
      const measured = await measureSteps({ ...row, precision, threads }, rivals, { rounds, asked });
      results.push(...measured.results);
      failures.push(...measured.failures);
      for (const line of verdicts(measured.results)) console.log(`  ${line}`);
      if (options.json !== undefined) {
        const date = new Date().toISOString().slice(0, 10);
        const content = { date, rounds, warmUps, machine, results, failures };
        await writeFile(options.json, `${JSON.stringify(content, null, 2)}\n`);
      }
    }
  }
  console.log(`\n${stepTable(results)}\n`);
  console.log(`  ${machine.processor}, ${threads} threads; ${rounds} rounds in turn after ${warmUps}`);
  console.log(`  ${[...new Set(results.map(({ version, note }) => `${version} (${note})`))].join('; ')}`);
  return true;
}

async function rivalCommands(python: string): Promise<ContenderCommand[]> {
  const problem = await pythonProblem(python);
  if (problem !== undefined) {
    console.log(`burgeon alone, without PyTorch: ${problem}\n`);
    return [];
  }
  const { environments, notes } = await torchEnvironments();
  for (const note of notes) console.log(note);
  return ['eager', 'compile'].flatMap((mode) =>
    environments.map(({ name, env }) => ({
      name: `${mode} ${name}`.trim(),
      command: python,
      args: ['-B', '-W', 'ignore', beside('pytorch_step.py'), mode],
      env,
    })),
  );
}
