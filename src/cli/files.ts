import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CliError, configurationError, exitCode } from './errors.ts'

/** For what others may read: certificates and trust bundles. Keys and what leads to them are `secret`. */
export const fileMode = { open: 0o644, secret: 0o600 } as const

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'unknown'

const reasonOf: Record<string, string> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
}

/** A file error in words; never the content. */
export const fileError = (what: string, error: unknown): CliError =>
  configurationError(what, { why: reasonOf[codeOf(error)] ?? codeOf(error), cause: error })

export const exists = async (path: string): Promise<boolean> => {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw fileError(`cannot look at ${path}`, error)
  }
}

/** The text of a file that must be there; `what` names its part in the sentence, e.g. `trust bundle`. */
export const readText = async (path: string, what: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw fileError(`cannot read the ${what} ${path}`, error)
  }
}

/** The text of a file, undefined when there is none. */
export const readTextIfThere = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw fileError(`cannot read ${path}`, error)
  }
}

/** A directory that only its owner can enter; one that exists is left as it is. */
export const makeDirectory = async (path: string): Promise<void> => {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw fileError(`cannot make the directory ${path}`, error)
  }
}

/** Makes renames and new names in a directory last through a power cut. */
export const syncDirectory = async (path: string): Promise<void> => {
  let handle: FileHandle | undefined
  try {
    handle = await open(path, constants.O_RDONLY)
    await handle.sync()
  } catch {
    // Some file systems cannot sync a directory; the rename is atomic all the same.
  } finally {
    await handle?.close()
  }
}

/** Writes all of a file under a temporary name, flushes it, and renames it: readers see the old text or the new one. */
export const writeFileAtomic = async (path: string, text: string, mode: number): Promise<void> => {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
  try {
    const handle = await open(temporary, 'wx', mode)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true })
    throw fileError(`cannot write ${path}`, error)
  }
}

/** Renames over what is there, and makes it last. */
export const moveFile = async (from: string, to: string): Promise<void> => {
  try {
    await rename(from, to)
    await syncDirectory(dirname(to))
  } catch (error) {
    throw fileError(`cannot rename ${from} to ${to}`, error)
  }
}

export const removeFile = (path: string): Promise<void> => rm(path, { force: true })

/** Refuses, before anything was done, when one of the files is there already. */
export const refuseToOverwrite = async (directory: string, names: string[], force: boolean): Promise<void> => {
  if (force) return
  for (const name of names) {
    const path = join(directory, name)
    if (await exists(path))
      throw new CliError(exitCode.conflict, `${path} exists already`, {
        why: 'Nothing is overwritten without being told to.',
        next: 'Choose another --output-dir, or give --force.',
      })
  }
}
