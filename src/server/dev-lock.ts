import { readFileSync, unlinkSync, writeFileSync } from 'node:fs'

/** Why a data directory cannot be used now. */
export class InUse extends Error {
  constructor(directory: string, pid: number) {
    super(`another rpc-server dev runs on ${directory} (process ${pid}): end it first, or choose another --data-dir`)
    this.name = 'InUse'
  }
}

/**
 * When a process was started, in ticks: tells it from a later one of the same number. Empty where /proc is not.
 * Undefined for one that is dead and only not yet buried by its parent.
 */
const startOf = (pid: number): string | undefined => {
  try {
    // The second field is the program's name in parentheses, and may hold anything. @see proc_pid_stat(5)
    const [state, ...fields] = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ')
    return state === 'Z' || state === 'X' ? undefined : fields[18]
  } catch {
    return ''
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** The process that holds a lock, if it still runs. */
const holderOf = (path: string): number | undefined => {
  try {
    const [pid, start = ''] = readFileSync(path, 'utf8').trim().split(' ')
    const number = Number(pid)
    return number > 0 && isAlive(number) && startOf(number) === start ? number : undefined
  } catch {
    return undefined
  }
}

/** Takes a directory for this process; a lock that a killed one left behind is taken over. Throws InUse. */
export const lockDirectory = (directory: string, path: string): { release(): void } => {
  for (let tries = 0; ; tries++) {
    try {
      writeFileSync(path, `${process.pid} ${startOf(process.pid)}\n`, { flag: 'wx', mode: 0o600 })
      return { release: () => unlinkSync(path) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const holder = holderOf(path)
    if (holder !== undefined || tries > 2) throw new InUse(directory, holder ?? 0)
    unlinkSync(path)
  }
}
