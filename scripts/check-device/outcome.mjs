// How a part of a device's check ended other than well. Thrown by what the part calls.

export class Outcome extends Error {
  /**
   * @param {'failed' | 'not run' | 'stopped'} result stopped: its time was over before its work.
   * @param {string} why for people, one line.
   */
  constructor(result, why) {
    super(why);
    this.result = result;
  }
}
