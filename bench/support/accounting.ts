/** What processes have cost so far, as the operating system accounts for it. Linux only. */
import { readdirSync, readFileSync } from 'node:fs'

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Fields of /proc/<pid>/stat from the third on; the second, a name, may hold blanks. */
const statOf = (pid: number): string[] => read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? []

/** A process and all below it. */
export const familyOf = (pid: number): number[] => {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc'))
    if (/^\d+$/.test(name)) parents.set(Number(name), Number(statOf(Number(name))[1]))
  const family = [pid]
  for (const member of family) for (const [child, parent] of parents) if (parent === member) family.push(child)
  return family
}

/**
 * CPU of one process, milliseconds. Its threads are accounted for in nanoseconds, the whole of it in hundredths of a
 * second, which also count threads that are gone: the greater is nearer to the truth.
 */
const cpuOfOne = (pid: number): number => {
  let threads = 0
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`))
      threads += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0])
  } catch {
    return 0
  }
  const stat = statOf(pid)
  return Math.max(threads / 1e6, (Number(stat[11]) + Number(stat[12])) * 10)
}

/** CPU, user and system, of a server and all its processes so far, milliseconds. */
export const cpuOf = (pid: number): number => familyOf(pid).reduce((sum, member) => sum + cpuOfOne(member), 0)

/** Resident memory of a server and all its processes, megabytes of 1,000,000. */
export const residentOf = (pid: number): number =>
  familyOf(pid).reduce((sum, member) => {
    const kilobytes = Number(/VmRSS:\s+(\d+) kB/.exec(read(`/proc/${member}/status`))?.[1] ?? 0)
    return sum + (kilobytes * 1024) / 1e6
  }, 0)

/** CPU of the embedded stores that we started, milliseconds: on AWS this is somebody else's. */
export const cpuOfStores = (): number =>
  familyOf(process.pid)
    .filter((pid) => read(`/proc/${pid}/comm`).trim() === 'dynoxide')
    .reduce((sum, pid) => sum + cpuOfOne(pid), 0)
