import { open, readFile } from 'node:fs/promises'
import { CliError, exitCode } from './errors.ts'
import { fileError, fileMode, removeFile } from './files.ts'

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Alive, but another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

const claim = async (path: string): Promise<boolean> => {
  try {
    const handle = await open(path, 'wx', fileMode.secret)
    await handle.writeFile(String(process.pid))
    await handle.close()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw fileError(`cannot write ${path}`, error)
  }
}

/**
 * Runs `work` while no other airunner on this machine does the same to the same files: two that replace one identity at
 * once could pair the key of one with the certificate of the other. A lock whose process is gone is taken over.
 */
export const withLock = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
  if (!(await claim(path))) {
    const holder = Number(await readFile(path, 'utf8').catch(() => ''))
    if (holder === 0 || holder === process.pid || !isAlive(holder)) await removeFile(path)
    if (!(await claim(path)))
      throw new CliError(exitCode.conflict, 'another airunner is working on the same files', {
        why: `Process ${holder} holds ${path}.`,
        next: 'Wait for it, then run the command again.',
      })
  }
  try {
    return await work()
  } finally {
    await removeFile(path)
  }
}
