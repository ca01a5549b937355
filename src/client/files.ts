import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Why a file stands in the way: it cannot be used, it is there already, or another process holds it. */
export type FileProblemKind = 'unusable' | 'exists' | 'held'

/** What could not be done with a file, why, and what to do next; never the content. */
export class FileProblem extends Error {
  readonly kind: FileProblemKind
  readonly why: string
  readonly next: string | undefined

  constructor(kind: FileProblemKind, what: string, why: string, options: { next?: string; cause?: unknown } = {}) {
    super(what, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'FileProblem'
    this.kind = kind
    this.why = why
    this.next = options.next
  }
}

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
export const fileError = (what: string, error: unknown): FileProblem =>
  new FileProblem('unusable', what, reasonOf[codeOf(error)] ?? codeOf(error), { cause: error })

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

/**
 * Writes all of a file under a temporary name, flushes it, and renames it: readers see the old text or the new one. What a
 * `text` that comes in parts throws itself is thrown on.
 */
export const writeFileAtomic = async (
  path: string,
  text: string | Uint8Array | AsyncIterable<string>,
  mode: number,
): Promise<void> => {
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
    await rm(temporary, { force: true }).catch(() => {})
    throw (error as NodeJS.ErrnoException).syscall === undefined ? error : fileError(`cannot write ${path}`, error)
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

/** Makes `path` a symbolic link to `target`, replacing what is there in one step. */
export const linkFile = async (target: string, path: string): Promise<void> => {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
  try {
    await symlink(target, temporary)
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw fileError(`cannot link ${path}`, error)
  }
}

/** Where a symbolic link points, undefined when there is none of that name. */
export const readLinkIfThere = async (path: string): Promise<string | undefined> => {
  try {
    return await readlink(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'EINVAL') return undefined
    throw fileError(`cannot read the link ${path}`, error)
  }
}

/** The names in a directory; none when it is not there. */
export const listDirectory = async (path: string): Promise<string[]> => {
  try {
    return await readdir(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw fileError(`cannot look into ${path}`, error)
  }
}

export const removeTree = (path: string): Promise<void> => rm(path, { recursive: true, force: true })

/** The file operations that a state directory is changed by; each is complete, or was never begun, after a crash. */
export interface Disk {
  read(path: string): Promise<string | undefined>
  write(path: string, text: string, mode: number): Promise<void>
  move(from: string, to: string): Promise<void>
  link(target: string, path: string): Promise<void>
  readLink(path: string): Promise<string | undefined>
  makeDirectory(path: string): Promise<void>
  list(path: string): Promise<string[]>
  remove(path: string): Promise<void>
}

export const systemDisk: Disk = {
  read: readTextIfThere,
  write: writeFileAtomic,
  move: moveFile,
  link: linkFile,
  readLink: readLinkIfThere,
  makeDirectory,
  list: listDirectory,
  remove: removeTree,
}

/** Refuses, before anything was done, when one of the files is there already. */
export const refuseToOverwrite = async (directory: string, names: string[], force: boolean): Promise<void> => {
  if (force) return
  for (const name of names) {
    const path = join(directory, name)
    if (await exists(path))
      throw new FileProblem('exists', `${path} exists already`, 'Nothing is overwritten without being told to.', {
        next: 'Choose another --output-dir, or give --force.',
      })
  }
}
