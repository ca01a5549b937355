/** Certificates; an answer has about 900 octets. */
const mostKept = 10_000
/** Ways to ask about one certificate: by two hashes, each with and without parameters. */
const mostWays = 4

/**
 * Signed answers by serial number and by the octets of what was asked; the longest unused go first. What was worked out
 * while anything was dropped is not kept: `epoch` tells.
 */
export const makeKeptAnswers = <T>(clock: () => number) => {
  const bySerial = new Map<string, Map<string, { answer: T; until: number }>>()
  let epoch = 0
  /** A map keeps the order of insertion: the front is the longest unused. */
  const touch = (serialNumber: string): Map<string, { answer: T; until: number }> => {
    const ways = bySerial.get(serialNumber) ?? new Map()
    bySerial.delete(serialNumber)
    bySerial.set(serialNumber, ways)
    return ways
  }
  return {
    get: (serialNumber: string, asked: string): T | undefined => {
      const found = bySerial.get(serialNumber)?.get(asked)
      if (found === undefined || clock() >= found.until) return undefined
      touch(serialNumber)
      return found.answer
    },
    /** `until` in Unix milliseconds; `since`: the epoch before its row was read. */
    keep: (serialNumber: string, asked: string, answer: T, until: number, since: number): void => {
      if (since !== epoch) return
      const ways = touch(serialNumber)
      if (ways.size >= mostWays) ways.clear()
      ways.set(asked, { answer, until })
      if (bySerial.size > mostKept) bySerial.delete(bySerial.keys().next().value as string)
    },
    drop: (serialNumber: string): void => {
      epoch++
      bySerial.delete(serialNumber)
    },
    dropAll: (): void => {
      epoch++
      bySerial.clear()
    },
    epoch: (): number => epoch,
    size: (): number => bySerial.size,
  }
}
