import { readFileSync } from 'node:fs'

/** As `getconf CLK_TCK` says on every Linux. */
const ticksPerSecond = 100

/** Of all children of this process that have ended, and of what those waited for. 0 where there is no /proc. */
const cpuOfAll = (): number => {
  try {
    // "pid (name) state …": the name may hold spaces and brackets. cutime and cstime are the 16th and 17th field.
    const fields = readFileSync('/proc/self/stat', 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ')
    return (Number(fields[13]) + Number(fields[14])) / ticksPerSecond
  } catch {
    return 0
  }
}

let before = cpuOfAll()

/**
 * Seconds of CPU of the child that has just ended: called once for each, as soon as its end is told. Where two end
 * within the same moment, the first is given what both took.
 */
export const cpuOfEnded = (): number => {
  const all = cpuOfAll()
  const seconds = all - before
  before = all
  return seconds
}
