import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Ends every process of the group that `leader` (a process id) began. Nothing happens when there is none. */
export const endGroup = (leader: number): void => {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // ESRCH: all of them have ended by themselves.
  }
}

/** Those of the group that still run; an ended one that nobody has waited for is in the group and does not count. */
const running = (leader: number): boolean => {
  try {
    process.kill(-leader, 0)
    return readdirSync('/proc').some((pid) => {
      if (!/^\d+$/.test(pid)) return false
      try {
        // "pid (name) state parent group …": the name may hold spaces and brackets.
        const [state, , group] = readFileSync(`/proc/${pid}/stat`, 'latin1')
          .replace(/^.*\) /s, '')
          .split(' ')
        return Number(group) === leader && state !== 'Z' && state !== 'X'
      } catch {
        return false
      }
    })
  } catch {
    // No such group; or no /proc, and then nothing can be said.
    return false
  }
}

/** Whether the group outlives its leader by more than `graceMs`. */
export const outlives = async (leader: number, graceMs: number): Promise<boolean> => {
  for (const end = Date.now() + graceMs; running(leader); await sleep(50)) if (Date.now() > end) return true
  return false
}
