// The checks must see what is wrong: a comparison with a changed weight fails, and the law of poison knows its elements.
import { describe, expect, it } from 'vitest';
import { checkCases, halfOf } from '../../lib/selfcheck/cases.ts';
import { isActive } from '../../lib/selfcheck/inactive.ts';
import { compareTensors, fingerprint, parametersOf, roughModel } from '../../lib/selfcheck/models.ts';
import { burgeon } from '../helpers/cli.ts';

describe('burgeon selfcheck', () => {
  it('tells of a device that cannot be used in one line', async () => {
    const result = await burgeon(['selfcheck', '--device', 'cuda'], {
      env: { BURGEON_CUDA_LIBRARY: '/nowhere/libburgeon_cuda.so' },
    });
    expect(result.code).toBe(1);
    expect(result.stdout).toBe('');
    expect(result.stderr).toContain('is not built (/nowhere/libburgeon_cuda.so is not there)');
  });

  it('knows which elements a gradient reaches', async () => {
    for (const { config } of checkCases(true)) {
      using model = await roughModel(config, 'cpu', 'float32');
      const subnetwork = halfOf(config);
      const tokens = Int32Array.from([1, 2, 3, 4]);
      await model.forwardBackward(tokens, tokens, { subnetwork });
      for (const name of model.tensorNames) {
        const active = isActive(config, subnetwork, name);
        const gradient = await model.gradient(name);
        const reached = gradient.findIndex((value: number, i: number) => value !== 0 && !active(i));
        expect(reached, name).toBe(-1);
        if (name.endsWith('.weight'))
          expect([...gradient.keys()].some(active) === gradient.some((v: number) => v !== 0)).toBe(true);
      }
    }
  });

  it('sees one changed weight', async () => {
    using model = await roughModel(checkCases(true)[1]!.config, 'cpu', 'float32');
    const [before, after] = [await parametersOf(model), await parametersOf(model)];
    expect(fingerprint(after)).toBe(fingerprint(before));
    expect(compareTensors(after, before).difference).toBe(0);
    after.get('wte.weight')![7]! += 1;
    expect(fingerprint(after)).not.toBe(fingerprint(before));
    expect(compareTensors(after, before).difference).toBeGreaterThan(1e-4);
    after.get('wte.weight')![7] = Number.NaN;
    expect(compareTensors(after, before).difference).toBeNaN();
  });
});
