// Packages that only some inputs need (.parquet, .zst): installed by default, but an install may have left them out.

import { BurgeonError } from '../errors.ts';

/**
 * Loads an optional package.
 * @param load an `import()` of it, spelled out where it is used so that its types are known.
 * @param path the file that needs it, for the message.
 * @throws {BurgeonError} ERR_BURGEON_DATA, with the command that installs it, when it is not there.
 */
export async function importOptional<Module>(name: string, load: () => Promise<Module>, path: string): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new BurgeonError(
      'ERR_BURGEON_DATA',
      `${path}: reading this kind of file takes the optional package ${name}, which is not installed; install it with ` +
        `\`npm install ${name}\``,
      { cause },
    );
  }
}
