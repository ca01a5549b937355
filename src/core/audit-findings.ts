/** What can be wrong with an export. */
export type FindingKind =
  | 'altered'
  | 'missing'
  | 'reordered'
  | 'repeated'
  | 'inserted'
  | 'rewritten'
  | 'truncated'
  | 'forged'
  | 'wrong_key'
  | 'unproved'
  | 'malformed'

export interface Finding {
  kind: FindingKind
  /** The line of the file, from 1 on; absent where something is not there. */
  line?: number
  /** A sentence for people, which names the event or the checkpoint. */
  message: string
}

/** So many are kept; a file in which everything is wrong is not worth more. */
const mostFindings = 1000

/** Collects what is wrong and what is worth knowing. */
export const makeFindings = () => {
  const findings: Finding[] = []
  const notes: string[] = []
  let total = 0
  return {
    findings,
    notes,
    total: () => total,
    /** Where the reading is. */
    line: 0,
    add(kind: FindingKind, message: string, nowhere?: 'nowhere'): void {
      total++
      if (findings.length < mostFindings)
        findings.push({ kind, ...(nowhere === undefined ? { line: this.line } : {}), message })
    },
  }
}
export type Findings = ReturnType<typeof makeFindings>
