import { randomBytes } from 'node:crypto'
import { open, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { readRemembered, writeRemembered } from '../core/store-epoch.ts'
import { type EpochMemory, MemoryRefused, MemoryUnreadable } from './epoch-memory.ts'

/** Ours has some 300 octets; a file beyond this is none of ours and is not read. */
const longestFile = 4096

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? ''
const refusals = new Set(['EACCES', 'EPERM', 'EROFS', 'EISDIR', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'])

const refusedAs = (what: string) => (error: unknown) => {
  throw refusals.has(codeOf(error)) ? new MemoryRefused(what, error) : error
}

const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, 'r')
  await handle.sync().finally(() => handle.close())
}

/** A file beside the tables, of one machine: 0600, whole or not there at all, and on the disk when `write` is done. */
export const openEpochFile = (path: string): EpochMemory => ({
  name: path,
  isQuick: true,
  read: async () => {
    const found = await stat(path).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return undefined
      return refusedAs(`cannot read ${path}`)(error)
    })
    if (found === undefined) return undefined
    if (!found.isFile() || found.size > longestFile) throw new MemoryUnreadable(path)
    const file = await open(path, 'r').catch(refusedAs(`cannot read ${path}`))
    const text = await file.readFile('utf8').finally(() => file.close())
    const mark = readRemembered(text)
    if (mark === undefined) throw new MemoryUnreadable(path)
    return mark
  },
  write: async (mark) => {
    const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
    try {
      const file = await open(temporary, 'wx', 0o600)
      try {
        await file.writeFile(`${writeRemembered(mark)}\n`)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temporary, path)
      await syncDirectory(dirname(path))
    } catch (error) {
      await unlink(temporary).catch(() => undefined)
      refusedAs(`cannot write ${path}`)(error)
    }
  },
})
