// npm run bench -- rates [rounds] | shakespeare FILE

import { benchRates } from './model/rates.ts';
import { benchShakespeare } from './train/shakespeare.ts';

const [name, argument] = process.argv.slice(2);
const usage = 'usage: npm run bench -- rates [rounds] | shakespeare FILE';

if (name === 'rates') {
  await benchRates(argument === undefined ? 15 : Number(argument));
} else if (name === 'shakespeare' && argument !== undefined) {
  await benchShakespeare(argument);
} else {
  console.error(usage);
  process.exitCode = 2;
}
