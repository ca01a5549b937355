import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client'

/** Why a connection ended before HTTP was spoken on it. A closed list, so that nobody outside can make a label. */
export type HandshakeFailure =
  | 'client_closed'
  | 'limit'
  | 'no_certificate'
  | 'protocol'
  | 'proxy_header'
  | 'session_reused'
  | 'timeout'
  | 'unknown_issuer'

export type CertificateOwner = 'server' | 'issuer' | 'root'

/** Figures that are read when somebody asks; each may be absent. */
export interface Gauges {
  /** Open connections by principal type. */
  connections(): Record<string, number>
  /** Seconds since the feed was last read to its end. */
  feedAge(): number
  /** Nobody is let in, for the tables may be restored ones. */
  admissionHeld(): boolean
  /** Seconds until the first certificate of a kind expires; negative afterwards. */
  certificateExpiry(): Partial<Record<CertificateOwner, number>>
  /** The newest CRL of each issuer: seconds since its thisUpdate, and how many certificates are on it. */
  crls(): { issuer: string; age_seconds: number; entries: number }[]
  /** Answers with a status of 500 and more, since the start. */
  failedAnswers(): number
}

/** What happened, in one call each. Never a label per principal or serial. */
export interface Metrics {
  admission(result: string, principalType: string): void
  certificateIssued(principalType: string, kind: string): void
  /** Signing, inspecting and committing one certificate. */
  issueTook(seconds: number): void
  /** From the accepted revocation to the closed socket. */
  revokedSocketCut(seconds: number): void
  handshakeFailed(reason: HandshakeFailure): void
  storeAnswered(operation: string, outcome: string, seconds: number): void
  /** A request got its answer. */
  answered(status: number): void
  /** What was said of a certificate to whom asked by OCSP, or why nothing was. */
  ocspAnswered(status: string): void
  /** A call to the key service. */
  signerAnswered(operation: string, outcome: string, seconds: number): void
  /** Reading and encoding one CRL. */
  crlBuilt(seconds: number): void
  auditChainFailed(): void
  /** Says where gauges read their figures. */
  watch(gauges: Partial<Gauges>): void
  /** The same figures, for others who ask. */
  gauges: Readonly<Partial<Gauges>>
  registry: Registry
}

const subSecond = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
/** The promise is 1.5 s at p99 and 60 s for a row changed by hand. */
const untilCut = [0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 5, 10, 30, 60]

/** Counts what happens with every request, and hands it over when somebody reads: labels are looked up only then. */
const makeTally = <L extends Record<string, string>>(keyOf: (labels: L) => string) => {
  const counts = new Map<string, { labels: L; since: number }>()
  return {
    inc: (labels: L): void => {
      const key = keyOf(labels)
      const entry = counts.get(key)
      if (entry === undefined) counts.set(key, { labels, since: 1 })
      else entry.since += 1
    },
    handOver: (counter: { inc(labels: L, value: number): void }): void => {
      for (const entry of counts.values()) {
        if (entry.since > 0) counter.inc(entry.labels, entry.since)
        entry.since = 0
      }
    },
  }
}

/** The metrics of one process; `registry` is what the metrics listener, or the primary of several workers, reads. */
export const makeMetrics = (): Metrics => {
  const registry = new Registry()
  const registers = [registry]
  let failedAnswers = 0
  const gauges: Partial<Gauges> = { failedAnswers: () => failedAnswers }
  collectDefaultMetrics({ register: registry })

  const admissions = makeTally<{ result: string; principal_type: string }>(
    ({ result, principal_type }) => `${result} ${principal_type}`,
  )
  new Counter({
    name: 'airunner_admissions_total',
    help: 'Decisions about presented certificates',
    labelNames: ['result', 'principal_type'],
    registers,
    collect() {
      admissions.handOver(this)
    },
  })
  const issued = new Counter({
    name: 'airunner_certificates_issued_total',
    help: 'Certificates that have left the plane',
    labelNames: ['principal_type', 'kind'],
    registers,
  })
  const issueSeconds = new Histogram({
    name: 'airunner_issue_seconds',
    help: 'Time to sign, inspect and commit one certificate',
    buckets: subSecond,
    registers,
  })
  const cutSeconds = new Histogram({
    name: 'airunner_revocation_cut_seconds',
    help: 'Time from an accepted revocation to the closed socket',
    buckets: untilCut,
    registers,
  })
  const handshakeFailures = new Counter({
    name: 'airunner_handshake_failures_total',
    help: 'Connections that ended before HTTP was spoken',
    labelNames: ['reason'],
    registers,
  })
  const answers = makeTally<{ status: string }>(({ status }) => status)
  new Counter({
    name: 'airunner_http_responses_total',
    help: 'Answers on the mTLS and enrolment listeners, by class of status',
    labelNames: ['status'],
    registers,
    collect() {
      answers.handOver(this)
    },
  })
  const ocspAnswers = new Counter({
    name: 'airunner_ocsp_responses_total',
    help: 'What OCSP answers have said of certificates, one count for each, and why there was none',
    labelNames: ['status'],
    registers,
  })
  const storeRequests = new Counter({
    name: 'airunner_store_requests_total',
    help: 'Calls to the store',
    labelNames: ['operation', 'outcome'],
    registers,
  })
  const storeSeconds = new Histogram({
    name: 'airunner_store_request_seconds',
    help: 'Time that calls to the store took',
    labelNames: ['operation'],
    buckets: subSecond,
    registers,
  })
  const signerRequests = new Counter({
    name: 'airunner_signer_requests_total',
    help: 'Calls to the key service that signs certificates, each try for itself',
    labelNames: ['operation', 'outcome'],
    registers,
  })
  const signerSeconds = new Histogram({
    name: 'airunner_signer_request_seconds',
    help: 'Time that calls to the key service took',
    labelNames: ['operation'],
    buckets: subSecond,
    registers,
  })
  const auditChainFailures = new Counter({
    name: 'airunner_audit_chain_failures_total',
    help: 'Tries to bring the audit chain of a process that is gone to its end that came to nothing',
    registers,
  })
  const crlSeconds = new Histogram({
    name: 'airunner_crl_build_seconds',
    help: 'Time to read what is revoked and to encode one CRL, in a thread of its own',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32],
    registers,
  })
  const crlGauge = (name: string, help: string, field: 'age_seconds' | 'entries') =>
    new Gauge({
      name,
      help,
      labelNames: ['issuer'],
      aggregator: 'max',
      registers,
      collect() {
        this.reset()
        for (const crl of gauges.crls?.() ?? []) this.set({ issuer: crl.issuer }, crl[field])
      },
    })
  crlGauge(
    'airunner_crl_age_seconds',
    'Time since the newest CRL of an issuer was made, or since the start while there is none',
    'age_seconds',
  )
  crlGauge('airunner_crl_entries', 'Certificates on the newest CRL of an issuer', 'entries')
  new Gauge({
    name: 'airunner_connections',
    help: 'Open mTLS connections',
    labelNames: ['principal_type'],
    registers,
    collect() {
      this.reset()
      for (const [type, count] of Object.entries(gauges.connections?.() ?? {}))
        this.set({ principal_type: type }, count)
    },
  })
  new Gauge({
    name: 'airunner_feed_age_seconds',
    help: 'Time since the change feed was last read to its end; of several processes, the oldest',
    aggregator: 'max',
    registers,
    collect() {
      this.set(gauges.feedAge?.() ?? 0)
    },
  })
  new Gauge({
    name: 'airunner_admission_held',
    help: '1 while nobody is let in because the tables may be restored ones; of several processes, the number',
    registers,
    collect() {
      this.set(gauges.admissionHeld?.() ? 1 : 0)
    },
  })
  new Gauge({
    name: 'airunner_certificate_expiry_seconds',
    help: 'Time until the first certificate of a kind expires',
    labelNames: ['kind'],
    aggregator: 'min',
    registers,
    collect() {
      this.reset()
      for (const [kind, seconds] of Object.entries(gauges.certificateExpiry?.() ?? {})) this.set({ kind }, seconds)
    },
  })

  return {
    admission: (result, principalType) => admissions.inc({ result, principal_type: principalType }),
    certificateIssued: (principalType, kind) => issued.inc({ principal_type: principalType, kind }),
    issueTook: (seconds) => issueSeconds.observe(seconds),
    revokedSocketCut: (seconds) => cutSeconds.observe(seconds),
    handshakeFailed: (reason) => handshakeFailures.inc({ reason }),
    storeAnswered: (operation, outcome, seconds) => {
      storeRequests.inc({ operation, outcome })
      storeSeconds.observe({ operation }, seconds)
    },
    answered: (status) => {
      answers.inc({ status: `${Math.floor(status / 100)}xx` })
      if (status >= 500) failedAnswers += 1
    },
    ocspAnswered: (status) => ocspAnswers.inc({ status }),
    signerAnswered: (operation, outcome, seconds) => {
      signerRequests.inc({ operation, outcome })
      signerSeconds.observe({ operation }, seconds)
    },
    auditChainFailed: () => auditChainFailures.inc(),
    crlBuilt: (seconds) => crlSeconds.observe(seconds),
    watch: (more) => {
      Object.assign(gauges, more)
    },
    gauges,
    registry,
  }
}
