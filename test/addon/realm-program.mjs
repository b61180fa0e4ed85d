// What realm.test.ts runs: the compiled package in a realm of its own, as Jest loads it. Its Error, Map and typed arrays are
// not those of Node and the addon. Prints what came of it as JSON.
//
//     node --experimental-vm-modules realm-program.mjs DIST DIRECTORY
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';

const [dist, directory] = process.argv.slice(2);
const shared = { process, Buffer, URL, AbortController, AbortSignal, performance, structuredClone, setTimeout };
const context = vm.createContext({
  ...{
    ...shared,
    clearTimeout,
    setInterval,
    clearInterval,
    setImmediate,
    TextDecoder,
    TextEncoder,
    console,
    directory,
  },
});
const modules = new Map();

/** Files are modules of the realm; Node's and other packages are of the realm around it. */
async function link(specifier, from) {
  if (!specifier.startsWith('.')) return outer(specifier);
  return inner(path.resolve(path.dirname(from.identifier), specifier));
}

function inner(file) {
  if (!modules.has(file)) {
    const options = {
      context,
      identifier: file,
      initializeImportMeta(meta) {
        meta.url = pathToFileURL(file).href;
      },
    };
    modules.set(file, new vm.SourceTextModule(readFileSync(file, 'utf8'), options));
  }
  return modules.get(file);
}

async function outer(specifier) {
  const namespace = await import(specifier);
  const names = Object.keys(namespace);
  return new vm.SyntheticModule(
    names,
    function evaluate() {
      for (const name of names) this.setExport(name, namespace[name]);
    },
    { context },
  );
}

const program = `
  import { BurgeonError, createTokenizer, flops, Model, prepare, sampleSubnetwork, Trainer } from './index.js';

  const codes = [];
  const fails = async (call) => {
    try {
      await call();
    } catch (error) {
      codes.push(error instanceof BurgeonError ? error.code : String(error));
    }
  };
  const model = await Model.create({ preset: 'gpt2-tiny', vocabSize: 64 }, { threads: 1 }); // device: auto
  const { backend } = model.info;
  const tokens = new Int32Array(32);
  const rates = { heads: 0.5, neurons: 0.5, layers: 0.5 };
  const subnetwork = sampleSubnetwork({ ...model.config, rates }, { seed: 1, step: 0, group: 0 });
  flops.countFlops(model.config, { batchSize: 1, sequenceLength: 32, subnetwork });
  await model.forwardBackward(tokens, tokens, { subnetwork });
  await model.optimizerStep({ lr: 1e-3 });
  await model.setParameter('ln_f.bias', new Float32Array(64).fill(1));
  await model.save(directory + '/model');
  createTokenizer({ name: 'bytes' }).decode(new Uint8Array(3));
  await fails(() => model.forward(Int32Array.of(99)));
  await fails(() => model.forward([1]));
  await fails(() => Model.create({ preset: 'gpt2-tiny', vocabSize: 64 }, { device: 'cuda:99' }));
  await fails(() => model.save(directory + '/book.txt/model'));
  await fails(() => Model.load(directory + '/nowhere'));
  const running = model.forward(tokens);
  await fails(() => model.forward(tokens));
  await running;
  model.dispose();
  await fails(() => model.forward(tokens));

  await prepare({ inputs: [directory + '/book.txt'], output: directory + '/data', tokenizer: 'chars' });
  const stopping = new AbortController();
  const trainer = new Trainer(
    { model: 'gpt2-tiny', data: { directory: directory + '/data' }, output: directory + '/run', steps: 4, batchSize: 2 },
    { signal: stopping.signal },
  );
  for await (const { step } of trainer.run()) if (step === 3) stopping.abort();
  export default { backend, codes, step: trainer.step };
  await trainer.close();
`;
const main = new vm.SourceTextModule(program, { context, identifier: path.join(dist, 'realm-program.js') });
await main.link(link);
await main.evaluate();
console.log(JSON.stringify(main.namespace.default));
