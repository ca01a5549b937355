import type { RememberedMark } from '../core/store-epoch.ts'

/** Where the mark of the tables is remembered outside of them, so that it does not go back with them. */
export interface EpochMemory {
  /** As people know it: a path, or the name of a parameter. */
  name: string
  /** Nothing there: undefined. Rejects with MemoryUnreadable, MemoryRefused, or what else stands in the way. */
  read(): Promise<RememberedMark | undefined>
  /** Replaces what is there. Rejects with MemoryRefused, or what else stands in the way. */
  write(mark: RememberedMark): Promise<void>
  /** Quick enough that who takes a right away waits for it. */
  isQuick: boolean
}

/** What is there is not what was written there. */
export class MemoryUnreadable extends Error {
  constructor(name: string) {
    super(`${name} holds no mark of a store`)
    this.name = 'MemoryUnreadable'
  }
}

/** We are not let there, and asking again changes nothing. */
export class MemoryRefused extends Error {
  constructor(what: string, cause: unknown) {
    super(`${what}: ${(cause as Error).message || (cause as Error).name}`, { cause })
    this.name = 'MemoryRefused'
  }
}
