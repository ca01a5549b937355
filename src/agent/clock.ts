import { second } from '../core/time.ts'

/** What the passing of time is read from and waited on. */
export interface World {
  /** The wall clock, Unix milliseconds; it may jump. */
  wall: () => number
  /** Never jumps; may stand still while the machine sleeps. Milliseconds. */
  monotonic: () => number
  random: () => number
  /** How often it is looked at, milliseconds. */
  tick: number
}

export const systemWorld: World = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
  random: Math.random,
  tick: second,
}

/** Clocks that drift apart by more between two looks were set, or one of them stood still. */
const largestDrift = 2 * second
/** Two looks this far apart: the process or its machine was stopped. */
const longestPause = 10 * second

/**
 * The time, as well as it can be known: of the server's clock when it was last heard, and what has passed since by the
 * faster of both clocks. So a wall clock that jumps forth makes early, and one that jumps back does not make late.
 */
export const makeTime = ({ wall, monotonic }: World) => {
  let anchor: { at: number; wall: number; monotonic: number } | undefined
  let looked = { wall: wall(), monotonic: monotonic() }
  return {
    now: (): number =>
      anchor === undefined ? wall() : anchor.at + Math.max(wall() - anchor.wall, monotonic() - anchor.monotonic),
    /** The server's clock says so now. */
    learn: (at: number): void => {
      anchor = { at, wall: wall(), monotonic: monotonic() }
    },
    /**
     * True when the machine has slept, was stopped, or its clock was set since the last look. Who was busy in between has
     * not looked for that long by himself.
     */
    jumped: (busy: boolean): boolean => {
      const here = { wall: wall(), monotonic: monotonic() }
      const passed = { wall: here.wall - looked.wall, monotonic: here.monotonic - looked.monotonic }
      looked = here
      return Math.abs(passed.wall - passed.monotonic) > largestDrift || (!busy && passed.monotonic > longestPause)
    },
  }
}
export type Time = ReturnType<typeof makeTime>

/** A wait that looks at the clocks on every tick: a timer set for a month would sleep through a night of its machine. */
export const makeAlarm = ({ tick }: World, signal: AbortSignal) => {
  let wake: (() => void) | undefined
  let poked = false
  return {
    /** Ends the wait that is going on, or the next one. */
    poke: (): void => {
      poked = true
      wake?.()
    },
    /** Until `ready` says so, `poke`, or the end of the process. */
    wait: async (ready: () => boolean): Promise<void> => {
      while (!poked && !signal.aborted && !ready())
        await new Promise<void>((resolve) => {
          const done = () => {
            clearTimeout(timer)
            signal.removeEventListener('abort', done)
            wake = undefined
            resolve()
          }
          const timer = setTimeout(done, tick)
          signal.addEventListener('abort', done, { once: true })
          wake = done
        })
      poked = false
    },
  }
}
export type Alarm = ReturnType<typeof makeAlarm>
