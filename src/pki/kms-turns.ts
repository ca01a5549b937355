/** Why there is no turn: the line was full, or the time was over before it came. */
export class NoTurn extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'NoTurn'
  }
}

export interface Turns {
  /** Resolves, within `patience` milliseconds, with what ends the turn. Rejects with NoTurn, at once when the line is full. */
  take(patience: number): Promise<() => void>
  /** Resolves when nobody has a turn or waits for one. */
  allDone(): Promise<void>
}

/** At most so many at the same time; others wait in line, first come, first served. */
export const makeTurns = ({ maxInFlight, maxWaiting }: { maxInFlight: number; maxWaiting: number }): Turns => {
  const line = new Set<() => void>()
  const idle = new Set<() => void>()
  let inFlight = 0

  const leave = () => {
    inFlight--
    const [next] = line
    if (next !== undefined) next()
    else if (inFlight === 0) {
      for (const done of idle) done()
      idle.clear()
    }
  }
  const enter = () => {
    inFlight++
    let left = false
    return () => {
      if (left) return
      left = true
      leave()
    }
  }
  return {
    take: (patience) => {
      if (inFlight < maxInFlight) return Promise.resolve(enter())
      if (line.size >= maxWaiting) return Promise.reject(new NoTurn(`${line.size} are waiting already`))
      return new Promise((resolve, reject) => {
        const called = () => {
          clearTimeout(timer)
          line.delete(called)
          resolve(enter())
        }
        const timer = setTimeout(() => {
          line.delete(called)
          reject(new NoTurn(`no turn within ${patience} ms`))
        }, patience)
        line.add(called)
      })
    },
    allDone: () => (inFlight === 0 ? Promise.resolve() : new Promise((resolve) => idle.add(resolve))),
  }
}
