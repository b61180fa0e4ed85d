// A reporter that names the test files whose process died: Vitest itself says only that one did.
import type { Reporter, TestModule } from 'vitest/node';

export default class UnfinishedFiles implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules.filter((one) => ['queued', 'pending'].includes(one.state()))) {
      const unfinished = [...module.children.allTests('pending')].map((test) => `\n  ${test.fullName}`);
      console.error(`${module.relativeModuleId} did not end; without a result:${unfinished.join('')}`);
    }
  }
}
