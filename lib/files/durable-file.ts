// Files that are on disk when the call returns: written once, hashed on the way, fsynced. Also the fsync of a
// directory (which makes names durable, as fsync of a file makes bytes durable) and the hash of an existing file.
// Atomicity is not promised here: replace-directory.ts builds it from these parts.

import { createHash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeDirectory } from './make-directory.ts';

/** Size and lower-case hex SHA-256 of a file. */
export interface FileDigest {
  bytes: number;
  sha256: string;
}

/**
 * Bytes per read or write. Bounds the memory beside the tensor itself and the time one hash update holds the event
 * loop (a few ms); far below the 2 GiB that one system call can move.
 */
export const pieceBytes = 4 * 1024 * 1024;

/**
 * Creates `path`, lets `body` write it front to back, and returns after fsync. A failed write leaves no file.
 * @throws the error of `body`; EEXIST where the file exists.
 */
export async function writeDurably(
  path: string,
  body: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<FileDigest> {
  const file = await open(path, 'wx');
  const hash = createHash('sha256');
  let bytes = 0;
  const write = async (data: Uint8Array) => {
    for (let begin = 0; begin < data.byteLength; begin += pieceBytes) {
      const piece = data.subarray(begin, begin + pieceBytes);
      // The write runs in the thread pool while this thread hashes.
      const writing = writeAll(file, piece);
      hash.update(piece);
      await writing;
      bytes += piece.byteLength;
    }
  };
  try {
    await body(write);
    await file.sync();
    await file.close();
  } catch (error) {
    await file.close().catch(() => {});
    await rm(path, { force: true }).catch(() => {});
    throw error;
  }
  return { bytes, sha256: hash.digest('hex') };
}

async function writeAll(file: FileHandle, data: Uint8Array): Promise<void> {
  for (let done = 0; done < data.byteLength; ) {
    done += (await file.write(data, done, data.byteLength - done)).bytesWritten;
  }
}

/** writeDurably for a short text, as UTF-8. */
export function writeTextDurably(path: string, text: string): Promise<FileDigest> {
  return writeDurably(path, (write) => write(Buffer.from(text)));
}

/** Makes the names in a directory durable. Windows cannot open directories and journals names itself. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/**
 * mkdir -p whose result survives a power cut.
 * @returns the directories that were made, outermost first.
 */
export async function makeDirectoryDurably(path: string): Promise<string[]> {
  const made = await makeDirectory(path);
  for (const each of made) await syncDirectory(dirname(each));
  return made;
}

/** Size and SHA-256 of an existing file, read in pieces. */
export async function digestFile(path: string): Promise<FileDigest> {
  const file = await open(path, 'r');
  try {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(pieceBytes);
    for (let bytes = 0; ; ) {
      const { bytesRead } = await file.read(buffer, 0, pieceBytes, bytes);
      if (bytesRead === 0) return { bytes, sha256: hash.digest('hex') };
      hash.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    await file.close();
  }
}
