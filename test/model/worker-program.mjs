// What the worker threads of worker.test.ts run, on the compiled package: either trains a small model and posts its losses
// and weights, or keeps the engine busy until it is terminated.
import { parentPort, workerData } from 'node:worker_threads';
import { Model, sampleSubnetwork, Trainer } from 'burgeon';

const { task, config, batchSize, tokens, targets, seed, steps } = workerData;
if (task === 'trainer') {
  const trainer = new Trainer(workerData.run);
  for await (const { checkpoint } of trainer.run()) if (checkpoint) parentPort.postMessage('a checkpoint');
}
const model = await Model.create(config, { seed, threads: 2 });

if (task === 'train') {
  const losses = [];
  for (let step = 0; step < steps; step++) {
    const rates = { heads: 0.5, neurons: 0.5, layers: step % 2 === 0 ? 0.5 : 1 };
    const subnetwork = sampleSubnetwork({ ...config, rates }, { seed, step, group: 0 });
    losses.push((await model.forwardBackward(tokens, targets, { batchSize, subnetwork })).loss);
    await model.optimizerStep({ lr: 1e-2 });
  }
  parentPort.postMessage({ losses, weights: await model.parameter('h.1.mlp.c_fc.weight') });
} else {
  const work = {
    forward: () => model.forward(tokens, { batchSize, targets, logits: 'all' }),
    forwardBackward: () => model.forwardBackward(tokens, targets, { batchSize }),
    optimizerStep: () => model.optimizerStep({ lr: 1e-3 }),
    refused: () =>
      model
        .forward(
          tokens.map(() => -1),
          { batchSize },
        )
        .catch(() => {}),
    generate: async () => {
      for await (const _ of model.generate([1, 2, 3], { maxTokens: 50 }));
    },
  }[task];
  await work();
  parentPort.postMessage('busy');
  for (;;) await work();
}
