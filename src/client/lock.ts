import { open, readFile } from 'node:fs/promises'
import { FileProblem, fileError, fileMode, removeFile } from './files.ts'

/**
 * What tells a process from a later one with the same number: when the machine and it were started. Empty where the system
 * does not say.
 */
const startOf = async (pid: number): Promise<string> => {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim()
    // "pid (name) state …": the name may hold spaces and brackets; the start is field 22 of all, the 20th behind it.
    return `${boot}/${stat.replace(/^.*\) /s, '').split(' ')[19]}`
  } catch {
    return ''
  }
}

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
    await handle.writeFile(`${process.pid} ${await startOf(process.pid)}`)
    await handle.close()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw fileError(`cannot write ${path}`, error)
  }
}

/** The process that holds a lock, undefined when it is gone. */
const holderOf = async (path: string): Promise<number | undefined> => {
  const [pid = '', start = ''] = (await readFile(path, 'utf8').catch(() => '')).split(' ')
  const holder = Number(pid)
  if (!(holder > 0) || !isAlive(holder)) return undefined
  if (start === '') return holder === process.pid ? undefined : holder
  return (await startOf(holder)) === start ? holder : undefined
}

/**
 * Takes a lock that no other process of this machine holds, and gives what releases it. One whose process is gone is taken
 * over, also when its number belongs to another process by now.
 */
export const takeLock = async (path: string): Promise<() => Promise<void>> => {
  if (!(await claim(path))) {
    const holder = await holderOf(path)
    if (holder === undefined) await removeFile(path)
    if (!(await claim(path)))
      throw new FileProblem(
        'held',
        'another airunner is working on the same files',
        `Process ${holder ?? 'unknown'} holds ${path}.`,
        { next: 'Wait for it, then run the command again.' },
      )
  }
  return () => removeFile(path)
}

/**
 * Runs `work` while no other airunner on this machine does the same to the same files: two that replace one identity at
 * once could pair the key of one with the certificate of the other.
 */
export const withLock = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
  const release = await takeLock(path)
  try {
    return await work()
  } finally {
    await release()
  }
}
