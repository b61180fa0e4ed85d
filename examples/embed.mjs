// A model inside your own program: your data, your training loop, your choice of subnetworks; then text, and a directory
// that burgeon and transformers load.
//
//     node examples/embed.mjs [DIRECTORY]     saves the model there, if given
import { createTokenizer, flops, Model, Schedule, sampleSubnetwork } from 'burgeon';

const text = `Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date;
Sometime too hot the eye of heaven shines,
And often is his gold complexion dimm'd;
And every fair from fair sometime declines,
By chance or nature's changing course untrimm'd;
But thy eternal summer shall not fade,
Nor lose possession of that fair thou ow'st;
Nor shall death brag thou wander'st in his shade,
When in eternal lines to time thou grow'st:
So long as men can breathe or eyes can see,
So long lives this, and this gives life to thee.
`;

// One token per character. Any Int32Array of numbers below vocabSize will do.
const tokenizer = createTokenizer({ name: 'chars', characters: [...new Set(text)].sort() });
const data = tokenizer.encode(text);

const model = await Model.create(
  { nLayer: 4, nHead: 4, nEmbd: 64, contextLength: 32, vocabSize: tokenizer.vocabSize },
  { seed: 1, tokenizerFiles: tokenizer.files() },
);
console.log(`${model.info.backend} ${model.info.isa}, ${model.info.threads} threads`);

const steps = 150;
const groups = 4; // subnetworks per step: their gradients average out
const batchSize = 16; // sequences per step
const schedule = new Schedule('est-gpt2', steps);
let executed = 0;
let dense = 0;

for (let step = 0; step < steps; step++) {
  const { stageIndex, rates } = schedule.at(step);
  const { tokens, targets } = batch(step);
  // A pure function of (seed, step, group): the same run can be repeated, or resumed, at any step. Lists of your own
  // work as well: { layers: Int32Array.of(0, 2), heads: [...], neurons: [...] }.
  const members = Array.from({ length: groups }, (_, group) => ({
    sequences: batchSize / groups,
    subnetwork: sampleSubnetwork({ ...model.config, rates }, { seed: 1, step, group }),
  }));
  const { loss, forwardFlops, backwardFlops } = await model.forwardBackward(tokens, targets, {
    batchSize,
    groups: members,
  });
  executed += flops.blockFlops(forwardFlops) + flops.blockFlops(backwardFlops);
  dense += flops.blockFlops(flops.countFlops(model.config, { batchSize, sequenceLength: 32 }));
  await model.optimizerStep({ lr: 3e-3 * Math.min(1, (step + 1) / 20), weightDecay: 0.1, gradientClip: 1 });
  if (step % 25 === 0 || step === steps - 1)
    console.log(`step ${step}, stage ${stageIndex + 1}: loss ${loss.toFixed(3)}`);
}
console.log(`${(100 * (1 - executed / dense)).toFixed(1)} % of the block FLOPs were never executed`);

// Text as it comes.
const prompt = 'So long ';
const decoder = tokenizer.decoder();
process.stdout.write(prompt);
for await (const token of model.generate(tokenizer.encode(prompt), { maxTokens: 40, temperature: 0.5 })) {
  process.stdout.write(decoder.push(token));
}
process.stdout.write(`${decoder.end()}\n`);

const directory = process.argv[2];
if (directory) {
  await model.save(directory);
  const loaded = await Model.load(directory);
  const { tokens, targets } = batch(0);
  const [saved, read] = [
    await model.forward(tokens, { batchSize, targets }),
    await loaded.forward(tokens, { batchSize, targets }),
  ];
  console.log(`saved to ${directory}; loaded, it has ${saved.loss === read.loss ? 'the same' : 'another'} loss`);
  loaded.dispose();
}
// Frees the memory now instead of at the next garbage collection.
model.dispose();

/**
 * Sequences from here and there in the data, and the same shifted by one.
 * @param {number} number
 */
function batch(number) {
  const length = 32;
  const tokens = new Int32Array(batchSize * length);
  const targets = new Int32Array(batchSize * length);
  for (let i = 0; i < batchSize; i++) {
    const begin = ((number * batchSize + i) * 97) % (data.length - length);
    tokens.set(data.subarray(begin, begin + length), i * length);
    targets.set(data.subarray(begin + 1, begin + length + 1), i * length);
  }
  return { tokens, targets };
}
