// The whole pipeline in a program: text to token shards, a run with evaluation and checkpoints, its records as they come.
// Ctrl-C stops it with a checkpoint; the same command then goes on where it stopped.
//
//     node examples/trainer.mjs DIRECTORY [TEXT FILE]...     without text it trains on this file
import path from 'node:path';
import { loadTokenizer, Model, prepare, Trainer } from 'burgeon';

const [directory, ...files] = process.argv.slice(2);
if (directory === undefined) throw new Error('usage: node examples/trainer.mjs DIRECTORY [TEXT FILE]...');
const data = path.join(directory, 'data');
const output = path.join(directory, 'run');

const manifest = await prepare({
  inputs: files.length > 0 ? files : [import.meta.filename],
  output: data,
  tokenizer: 'chars',
});
console.log(`${manifest.splits.train.tokens} tokens to train on, a vocabulary of ${manifest.vocabSize}`);

// The keys of a configuration file; what is left out has its default, what is wrong is reported all at once.
/** @type {import('burgeon').TrainConfigInput} */
const config = {
  model: { nLayer: 3, nHead: 3, nEmbd: 48, contextLength: 32 },
  data: { directory: data },
  output,
  steps: 60,
  batchSize: 8,
  est: { schedule: 'est-gpt2', groupsPerStep: 4 },
  optimizer: { learningRate: 3e-3, warmupSteps: 5 },
  evaluation: { every: 20, windows: 16 },
  checkpoint: { every: 30 },
};

const stopping = new AbortController();
process.once('SIGINT', () => stopping.abort());

const trainer = new Trainer(config, { start: 'auto', signal: stopping.signal });
try {
  for await (const { step, stage, active, loss, validation, checkpoint } of trainer.run()) {
    if (step % 10 === 0 || validation) {
      const evaluated = validation ? `, validation ${validation.loss.toFixed(3)}` : '';
      console.log(`step ${step}, stage ${stage}, ${active.layers} layers: loss ${loss.toFixed(3)}${evaluated}`);
    }
    if (checkpoint) console.log(`checkpoint ${checkpoint}`);
  }
  const { steps, blockSaving, validationLoss } = trainer.summary;
  console.log(
    `${steps} steps, ${(100 * blockSaving).toFixed(1)} % of the block FLOPs saved, loss ${validationLoss?.toFixed(3)}`,
  );
  // The trained model is at hand, and so is everything else a Model does.
  await trainer.model.save(path.join(directory, 'model'));
} finally {
  await trainer.close();
}

const model = await Model.load(path.join(directory, 'model'));
const tokenizer = await loadTokenizer(path.join(directory, 'model'));
const decoder = tokenizer.decoder();
let text = '';
for await (const token of model.generate(tokenizer.encode('// '), { maxTokens: 60, temperature: 0.8 })) {
  text += decoder.push(token);
}
console.log(text + decoder.end());
model.dispose();
