// Two models in two worker threads of one process: each has its own engine and threads, and the main thread stays free.
// Results are those of a single thread, whatever runs beside.
//
//     node examples/worker.mjs
import os from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Model } from 'burgeon';

if (isMainThread) {
  // Share the cores out: threads that outnumber them only wait for each other.
  const threads = Math.max(1, Math.floor(os.availableParallelism() / 2));
  const losses = await Promise.all([1, 2].map((seed) => inThread({ seed, threads })));
  for (const [i, loss] of losses.entries()) console.log(`seed ${i + 1}: loss ${loss.toFixed(3)}`);
} else {
  const { seed, threads } = workerData;
  parentPort?.postMessage(await train(seed, threads));
}

/**
 * Trains a model in a thread of its own; resolves to its last loss.
 * @param {{ seed: number, threads: number }} workerData
 * @returns {Promise<number>}
 */
function inThread(workerData) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

/**
 * @param {number} seed
 * @param {number} threads
 */
async function train(seed, threads) {
  const model = await Model.create({ preset: 'gpt2-tiny', vocabSize: 256 }, { seed, threads });
  const text = Int32Array.from(Buffer.from('A model in a worker thread does not keep the others waiting.'));
  let loss = Number.NaN;
  for (let step = 0; step < 40; step++) {
    ({ loss } = await model.forwardBackward(text.subarray(0, 32), text.subarray(1, 33)));
    await model.optimizerStep({ lr: 3e-3 });
  }
  model.dispose();
  return loss;
}
