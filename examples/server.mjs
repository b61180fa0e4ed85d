// A small server around a run: it trains in the background, tells every open page how far it is (server-sent events), continues
// text on request while it trains, and stops with a checkpoint. node:http only; started again, it goes on where it stopped.
//
//     node examples/server.mjs DIRECTORY [TEXT FILE]...     without text it trains on this file; PORT, STEPS: environment
//
//     curl -N localhost:8080/progress                         a line for every step
//     curl "localhost:8080/generate?prompt=the&tokens=100"    text, as it comes; hang up to cancel
//     curl -X POST localhost:8080/stop
import { once } from 'node:events';
import http from 'node:http';
import path from 'node:path';
import { prepare, Trainer } from 'burgeon';

const [directory, ...files] = process.argv.slice(2);
if (directory === undefined) throw new Error('usage: node examples/server.mjs DIRECTORY [TEXT FILE]...');
const data = path.join(directory, 'data');
await prepare({ inputs: files.length > 0 ? files : [import.meta.filename], output: data, tokenizer: 'bytes' });

const stopping = new AbortController();
const trainer = new Trainer(
  {
    model: { nLayer: 3, nHead: 3, nEmbd: 48, contextLength: 64 },
    data: { directory: data },
    output: path.join(directory, 'run'),
    steps: Number(process.env.STEPS ?? 2000),
    batchSize: 8,
    est: { schedule: 'stack' },
    optimizer: { learningRate: 3e-3, warmupSteps: 20 },
    evaluation: { every: 50, windows: 16 },
  },
  { start: 'auto', signal: stopping.signal },
);

/** Open pages. @type {Set<http.ServerResponse>} */
const listeners = new Set();
/** @param {object} event */
const tell = (event) => {
  for (const response of listeners) response.write(`data: ${JSON.stringify(event)}\n\n`);
};

const server = http.createServer((request, response) => {
  answer(request, response).catch((error) => {
    // What goes wrong is one request's alone.
    if (!response.headersSent) response.writeHead(/^ERR_BURGEON_(CONFIG|DATA)$/.test(error.code) ? 400 : 500);
    response.end(`${error.message}\n`);
  });
});

/**
 * @param {http.IncomingMessage} request
 * @param {http.ServerResponse} response
 */
async function answer(request, response) {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const route = `${request.method} ${url.pathname}`;
  if (route === 'GET /progress') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(`data: ${JSON.stringify({ step: trainer.step, steps: trainer.config.steps })}\n\n`);
    listeners.add(response);
    response.once('close', () => listeners.delete(response));
  } else if (route === 'GET /generate') {
    await generate(url.searchParams, response);
  } else if (route === 'POST /stop') {
    stopping.abort();
    response.writeHead(202).end('stopping, with a checkpoint\n');
  } else {
    response.writeHead(404).end('GET /progress, GET /generate?prompt=..., POST /stop\n');
  }
}

/**
 * Text between two steps: the next step waits until it is there. A reader who hangs up ends it.
 * @param {URLSearchParams} query
 * @param {http.ServerResponse} response
 */
async function generate(query, response) {
  const { tokenizer } = trainer;
  if (!tokenizer) throw new Error('the data have no tokenizer');
  const prompt = tokenizer.encode(query.get('prompt') || '\n');
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, stopping.signal]);
  await trainer.withModel(async (model, trained) => {
    const decoder = tokenizer.decoder();
    // Not more than training should wait for.
    const maxTokens = Math.min(1000, Number(query.get('tokens') ?? 100));
    const options = { ...trained, maxTokens, temperature: 0.8, signal };
    for await (const token of model.generate(prompt, options)) response.write(decoder.push(token));
    response.end(`${decoder.end()}\n`);
  });
}

process.once('SIGINT', () => stopping.abort());
await trainer.open();
server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1');
await once(server, 'listening');
const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
console.log(`http://localhost:${port}, training from step ${trainer.step}`);

try {
  for await (const { step, loss, validation, checkpoint } of trainer.run())
    tell({ step, loss, validation, checkpoint });
  tell({ done: true, step: trainer.step });
  console.log(`${stopping.signal.aborted ? 'stopped' : 'done'} after step ${trainer.step}`);
  // The model stays, for requests, until somebody stops the server.
  if (!stopping.signal.aborted) await once(stopping.signal, 'abort');
} finally {
  for (const response of listeners) response.end();
  server.close();
  await trainer.close();
}
