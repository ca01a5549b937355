import type { AdmissionRows } from '../store/admission-rows.ts'
import type { Presented } from './caller.ts'

/** Rows that were read for a presented certificate. Times in Unix milliseconds. */
export interface Decision {
  presented: Presented
  rows: AdmissionRows
  read_at: number
  used_at: number
  /** Until when it may be used without reading again. */
  good_until: number
}

/** How many drops are remembered one by one; older reads are then taken for overtaken. */
const rememberedDrops = 10_000

const subjectsOf = (presented: Presented): string[] => [
  `serial:${presented.serial_number}`,
  ...(presented.claimed ? [`principal:${presented.claimed.principal_id}`] : []),
]

/**
 * What is known of presented certificates, found by fingerprint, by serial number and by principal. A read that was under
 * way while its subject changed is not kept: `changedSince` tells.
 */
export const makeDecisions = () => {
  const byFingerprint = new Map<string, Decision>()
  const bySubject = new Map<string, Set<string>>()
  const droppedAt = new Map<string, number>()
  let epoch = 0
  let allDroppedAt = 0

  const forget = (fingerprint: string): void => {
    const decision = byFingerprint.get(fingerprint)
    if (decision === undefined) return
    byFingerprint.delete(fingerprint)
    for (const subject of subjectsOf(decision.presented)) {
      const fingerprints = bySubject.get(subject)
      fingerprints?.delete(fingerprint)
      if (fingerprints?.size === 0) bySubject.delete(subject)
    }
  }
  const dropSubject = (subject: string): void => {
    epoch++
    if (droppedAt.size >= rememberedDrops) {
      droppedAt.clear()
      allDroppedAt = epoch
    }
    droppedAt.set(subject, epoch)
    for (const fingerprint of [...(bySubject.get(subject) ?? [])]) forget(fingerprint)
  }

  return {
    get: (fingerprint: string): Decision | undefined => byFingerprint.get(fingerprint),
    set: (decision: Decision): void => {
      forget(decision.presented.fingerprint)
      byFingerprint.set(decision.presented.fingerprint, decision)
      for (const subject of subjectsOf(decision.presented)) {
        const fingerprints = bySubject.get(subject) ?? new Set()
        fingerprints.add(decision.presented.fingerprint)
        bySubject.set(subject, fingerprints)
      }
    },
    forget,
    dropSerial: (serialNumber: string): void => dropSubject(`serial:${serialNumber}`),
    dropPrincipal: (principalId: string): void => dropSubject(`principal:${principalId}`),
    dropAll: (): void => {
      allDroppedAt = ++epoch
      droppedAt.clear()
      byFingerprint.clear()
      bySubject.clear()
    },
    /** Grows with every drop. */
    epoch: (): number => epoch,
    /** Whether rows of this certificate that were read at `since` (an epoch) may be out of date. */
    changedSince: (since: number, presented: Presented): boolean =>
      allDroppedAt > since || subjectsOf(presented).some((subject) => (droppedAt.get(subject) ?? 0) > since),
    all: (): Decision[] => [...byFingerprint.values()],
  }
}
export type Decisions = ReturnType<typeof makeDecisions>
