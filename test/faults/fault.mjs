// Imported by every rank of a job: FAULT=<what>:<rank>:<argument> goes wrong on that rank alone.

import path from 'node:path';
import process from 'node:process';

const [what, rank, argument] = (process.env.FAULT ?? '').split(':');
const own = process.env.RANK ?? process.env.OMPI_COMM_WORLD_RANK;

/** Where the built program has a module. */
const built = (...names) => path.join(import.meta.dirname, '..', '..', 'dist', ...names);

const faults = {
  /** Of the losses that are taken for the n-th time one is none. */
  async nan() {
    const { Model } = await import(built('model', 'model.js'));
    const take = Model.prototype.takeLosses;
    let calls = 0;
    Model.prototype.takeLosses = async function () {
      const losses = await take.call(this);
      return ++calls === Number(argument) ? losses.map(() => Number.NaN) : losses;
    };
  },
  /** No room is left from the n-th call on that changes a file. */
  async disk() {
    process.env.FAIL_AT = `${argument}:ENOSPC:on`;
    await import('../places/fail-at.mjs');
  },
  /** It sees other files at the same paths. */
  elsewhere: () => process.chdir(argument),
};

if (what && rank === own) await faults[what]();
