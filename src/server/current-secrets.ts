import { ControlError } from '../core/errors.ts'
import { type Clock, minute, second, toRfc3339 } from '../core/time.ts'
import type { Issuer } from '../pki/issuer.ts'
import { currentBundle } from '../pki/trust.ts'
import type { Log } from './log.ts'
import type { CertificateOwner } from './metrics.ts'
import type { Problem } from './problems.ts'
import type { Secrets, ServerCertificate } from './secrets.ts'
import type { SecretsOutcome, SecretsReader } from './secrets-reader.ts'
import type { TlsMaterial } from './tls.ts'

export interface CurrentSecretsDeps {
  /** As checked at the start. */
  first: SecretsOutcome & { secrets: Secrets }
  reader: SecretsReader
  /** Signs a server certificate for this process. */
  issueServerCertificate(issuer: Issuer): Promise<ServerCertificate>
  clock: Clock
  log: Log
  /** How often it is looked for changes, and how soon after a look that came to nothing, doubled each time. Milliseconds. */
  polling?: { every: number; soonest: number }
  /** In [0, 1): servers do not all ask at the same moment. */
  random?: () => number
}

const usualPolling = { every: 5 * minute, soonest: 15 * second }

/** Secrets with the certificate that is shown, be it configured or our own. */
export type SecretsInUse = Secrets & { server: ServerCertificate }

/** The secrets in use, which change while the process runs. */
export interface CurrentSecrets {
  /** The same object until something in it changes. */
  get(): SecretsInUse
  /** What TLS listeners show now. */
  material(): TlsMaterial
  /** Reads everything again; what fails its checks is refused with an error in the log, and the old stays. */
  reload(): Promise<void>
  /** Called after each change, in the order of registration. */
  onChange(listener: () => void): void
  /** Seconds until the first certificate of each kind expires. */
  secondsUntilExpiry(): Partial<Record<CertificateOwner, number>>
  stop(): void
}

/** How often it is looked whether our own server certificate is half way through its life. */
const renewalLook = minute

const earliest = (times: number[]): number | undefined => (times.length === 0 ? undefined : Math.min(...times))

/** Holds the secrets of a process; resolves once there is a server certificate to show. */
export const makeCurrentSecrets = async (deps: CurrentSecretsDeps): Promise<CurrentSecrets> => {
  const { clock, log, reader, polling = usualPolling, random = Math.random } = deps
  const listeners: (() => void)[] = []

  /** Adds a certificate of our own where none is configured. */
  const withServer = async (found: Secrets): Promise<SecretsInUse> => {
    const { server, serverIssuer } = found
    if (server !== undefined) return { ...found, server }
    if (serverIssuer === undefined)
      throw new ControlError('issuer_unavailable', 'the key that signs the certificate of this server is out of reach')
    return { ...found, server: await deps.issueServerCertificate(serverIssuer) }
  }

  let configured = deps.first.secrets
  let { fingerprint } = deps.first
  let current = await withServer(configured)

  const take = (secrets: SecretsInUse) => {
    current = secrets
    for (const listener of listeners) listener()
  }

  const renewOwn = async () => {
    const { not_before: from, not_after: until } = current.server
    if (configured.server !== undefined || clock() < from + (until - from) / 2) return
    const renewedFor = configured
    const renewed = await withServer(renewedFor)
    if (renewedFor !== configured) return
    take(renewed)
    log.info({ event: 'server_certificate_renewed', expires_at: toRfc3339(renewed.server.not_after) })
  }
  const timer = setInterval(
    () => void renewOwn().catch((err) => log.error({ event: 'server_certificate_renewal_failed', err })),
    renewalLook,
  ).unref()

  const refuse = (problems: Problem[]) =>
    log.error({ event: 'secrets_refused', problems: problems.map(({ name, message }) => `${name}: ${message}`) })

  /** Takes over what was read; what was looked at and has not changed, only when told to. Answers whether all was well. */
  const apply = async (outcome: SecretsOutcome, unchanged: 'skip' | 'take'): Promise<boolean> => {
    const { secrets: found, problems, refused } = outcome
    if (refused !== undefined) refuse(refused)
    if (found === undefined) {
      if (refused === undefined) refuse(problems)
      return false
    }
    if (outcome.fingerprint === fingerprint && unchanged === 'skip') return refused === undefined
    const inUse = await withServer(found)
    configured = found
    fingerprint = outcome.fingerprint
    take(inUse)
    log.info({
      event: 'trust_changed',
      trust_bundle_version: found.bundle.version,
      issuers: found.issuers.map(({ issuer_id }) => issuer_id),
      server_expires_at: toRfc3339(inUse.server.not_after),
    })
    return refused === undefined
  }

  // One look at a time, in order: the last signal decides.
  let queue: Promise<boolean> = Promise.resolve(true)
  const look = (unchanged: 'skip' | 'take'): Promise<boolean> => {
    queue = queue
      .then(async () => apply(await reader.read(), unchanged))
      .catch((err: unknown) => {
        log.error({ event: 'secrets_refused', err })
        return false
      })
    return queue
  }

  let nextLook: NodeJS.Timeout | undefined
  let soonest = polling.soonest
  let stopped = false
  const lookAgain = (well: boolean) => {
    if (stopped || !reader.changesByItself) return
    const wait = well ? polling.every : Math.min(soonest, polling.every)
    soonest = well ? polling.soonest : soonest * 2
    nextLook = setTimeout(() => void look('skip').then(lookAgain), wait * (0.8 + 0.4 * random())).unref()
  }
  if (deps.first.refused !== undefined) refuse(deps.first.refused)
  lookAgain(deps.first.refused === undefined)

  return {
    get: () => current,
    material: () => ({
      chain_pem: current.server.chain_pem,
      key_pem: current.server.key_pem,
      authorities_pem: [current.bundle.pem, ...current.issuers.map(({ pem }) => pem)],
    }),
    reload: async () => {
      await look('take')
    },
    onChange: (listener) => {
      listeners.push(listener)
    },
    secondsUntilExpiry: () => {
      const { roots } = currentBundle(current.bundle, clock())
      const ends = {
        server: current.server.not_after,
        issuer: earliest(current.issuers.map(({ not_after }) => not_after)),
        root: earliest(roots.map(({ validToDate }) => validToDate.getTime())),
      }
      return Object.fromEntries(
        Object.entries(ends).flatMap(([kind, at]) => (at === undefined ? [] : [[kind, (at - clock()) / second]])),
      )
    },
    stop: () => {
      stopped = true
      clearInterval(timer)
      clearTimeout(nextLook)
    },
  }
}
