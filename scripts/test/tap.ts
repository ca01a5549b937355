export interface TapResult {
  /** Assertions; a subtest counts by those inside it. */
  passed: number
  failed: number
  skipped: number
  /** The reasons given for what was skipped. */
  skips: string[]
  /** What is wrong with the process itself: none of its assertions says so. */
  faults: string[]
}

/** What a process that printed TAP has shown, read from the sums that tap prints last, and how it ended. */
export const readTap = (tap: string, ended: { code: number | null; signal: NodeJS.Signals | null }): TapResult => {
  const sums = [...tap.matchAll(/^# \{ total: (\d+)(.*) \}$/gm)].at(-1)
  const sum = (name: string) => Number(sums?.[2]?.match(new RegExp(`\\b${name}: (\\d+)`))?.[1] ?? 0)
  const skips = [...tap.matchAll(/^ *ok \d+ - (.*?) # SKIP ?(.*)$/gm)].map(([, name, reason]) =>
    reason ? `${name}: ${reason}` : `${name}`,
  )
  const result = { passed: sum('pass'), failed: sum('fail'), skipped: sum('skip') + sum('todo'), skips }
  // A whole file is skipped by its plan: `1..0 # reason`.
  const empty = tap.match(/^1\.\.0 # (.+)$/m)?.[1]
  if (sums !== undefined && result.passed + result.failed + result.skipped === 0 && empty !== undefined)
    return { ...result, skipped: 1, skips: [empty], faults: [] }

  const faults: string[] = []
  if (ended.signal !== null) faults.push(`ended by ${ended.signal}`)
  else if (ended.code !== 0 && result.failed === 0) faults.push(`exit code ${ended.code}`)
  if (sums === undefined) faults.push('ended before its sums: not all of it ran')
  else if (result.passed + result.failed + result.skipped === 0) faults.push('no assertion ran')
  return { ...result, faults }
}

/** The first assertion that failed, with what tap says of it; what is wrong with the process when none did. */
export const firstFailure = (output: string, faults: string[]): string =>
  // Of tests within tests the innermost comes first. What tap knows of it follows between --- and ... .
  /^( *)not ok .*(\n\1 {2}---\n[\s\S]*?\n\1 {2}\.\.\.$)?/m.exec(output)?.[0] ?? faults.join('\n')
