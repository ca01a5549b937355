import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Files of their owner alone (0600), which exist whole or not at all. */

/** Makes a directory 0700 where there is none; one that exists is left as it is. */
export const makePrivateDirectory = async (directory: string): Promise<void> => {
  await mkdir(directory, { recursive: true, mode: 0o700 })
}

export const readIfThere = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export const removeIfThere = async (path: string): Promise<void> => {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}

const writeTemporary = async (path: string, text: string): Promise<string> => {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  return temporary
}

const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, 'r')
  await handle.sync().finally(() => handle.close())
}

/** Writes a file that must not be there yet; rejects with EEXIST when it is. */
export const createFile = async (path: string, text: string): Promise<void> => {
  const temporary = await writeTemporary(path, text)
  // A link, unlike a rename, never takes the place of what is there.
  await link(temporary, path).finally(() => removeIfThere(temporary))
  await syncDirectory(dirname(path))
}

/** Writes a file, in the place of what was there. */
export const replaceFile = async (path: string, text: string): Promise<void> => {
  const temporary = await writeTemporary(path, text)
  await rename(temporary, path).catch(async (error) => {
    await removeIfThere(temporary)
    throw error
  })
  await syncDirectory(dirname(path))
}
