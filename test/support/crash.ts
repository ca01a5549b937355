import { appendFileSync, writeFileSync } from 'node:fs'
import type { Disk } from '../../src/client/files.ts'

/** Stands for the end of a process: nothing of ours catches it. */
export class Crash extends Error {}

export interface CrashingDisk extends Disk {
  /** What was changed so far, as `operation path`. */
  done: string[]
}

/** Called instead of a change: number, what it is, and the change itself. */
type Instead = (count: number, name: string, act: () => Promise<void>) => Promise<void>

/** The real disk, with something else in the place of changes. */
export const disturbedDisk = (disk: Disk, instead: Instead): CrashingDisk => {
  const done: string[] = []
  const change =
    <A extends string[]>(operation: string, nameOf: (...args: A) => string, act: (...args: A) => Promise<void>) =>
    async (...args: A): Promise<void> => {
      const name = `${operation} ${nameOf(...args)}`
      done.push(name)
      await instead(done.length, name, () => act(...args))
    }
  const first = (path: string) => path
  const second = (_: string, path: string) => path
  return {
    ...disk,
    done,
    write: (path, text, mode) => change('write', first, () => disk.write(path, text, mode))(path),
    move: change('move', second, disk.move),
    link: change('link', second, disk.link),
    makeDirectory: change('makeDirectory', first, disk.makeDirectory),
    remove: change('remove', first, disk.remove),
  }
}

/** Crashes at the change of this number: before it, in the middle of it (a temporary file is left), or behind it. */
export const crashingDisk = (disk: Disk, at: number, when: 'before' | 'amid' | 'behind'): CrashingDisk =>
  disturbedDisk(disk, async (count, name, act) => {
    // A dead process does nothing more.
    if (count > at) throw new Crash(name)
    if (count === at && when === 'before') throw new Crash(name)
    if (count === at && when === 'amid') {
      const [operation, path = ''] = name.split(' ')
      if (operation === 'write') writeFileSync(`${path}.dead.tmp`, 'torn')
      else appendFileSync(`${path.replace(/[^/]*$/, '')}torn.dead.tmp`, 'torn')
      throw new Crash(name)
    }
    await act()
    if (count === at) throw new Crash(name)
  })
