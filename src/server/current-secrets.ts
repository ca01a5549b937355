import { type Clock, minute, second, toRfc3339 } from '../core/time.ts'
import type { Issuer } from '../pki/issuer.ts'
import type { Log } from './log.ts'
import type { CertificateOwner } from './metrics.ts'
import type { SecretsSource } from './secret-texts.ts'
import { checkSecrets, type Secrets, type ServerCertificate } from './secrets.ts'
import type { TlsMaterial } from './tls.ts'

export interface CurrentSecretsDeps {
  /** As checked at the start. */
  first: Secrets
  source: SecretsSource
  hostname: string
  /** Signs a server certificate for this process. */
  issueServerCertificate(issuer: Issuer): Promise<ServerCertificate>
  clock: Clock
  log: Log
}

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
  const { clock, log } = deps
  const listeners: (() => void)[] = []

  /** Adds a certificate of our own where none is configured. */
  const withServer = async (found: Secrets): Promise<SecretsInUse> => {
    const { server, serverIssuer } = found
    if (server !== undefined) return { ...found, server }
    if (serverIssuer === undefined) throw new Error('neither a server certificate nor an issuer of one')
    return { ...found, server: await deps.issueServerCertificate(serverIssuer) }
  }

  let configured = deps.first
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

  const reload = async () => {
    const { secrets: found, problems } = checkSecrets(await deps.source.read(), {
      hostname: deps.hostname,
      now: clock(),
    })
    if (found === undefined) {
      const reasons = problems.map(({ name, message }) => `${name}: ${message}`)
      return log.error({ event: 'secrets_refused', problems: reasons })
    }
    const inUse = await withServer(found)
    configured = found
    take(inUse)
    log.info({
      event: 'trust_changed',
      trust_bundle_version: found.bundle.version,
      issuers: found.issuers.map(({ issuer_id }) => issuer_id),
      server_expires_at: toRfc3339(inUse.server.not_after),
    })
  }

  // One reload at a time, in order: the last signal decides.
  let queue = Promise.resolve()
  return {
    get: () => current,
    material: () => ({
      chain_pem: current.server.chain_pem,
      key_pem: current.server.key_pem,
      authorities_pem: [current.bundle.pem, ...current.issuers.map(({ pem }) => pem)],
    }),
    reload: () => {
      queue = queue.then(reload).catch((err) => log.error({ event: 'secrets_refused', err }))
      return queue
    },
    onChange: (listener) => {
      listeners.push(listener)
    },
    secondsUntilExpiry: () => {
      const ends = {
        server: current.server.not_after,
        issuer: earliest(current.issuers.map(({ not_after }) => not_after)),
        root: earliest(current.bundle.roots.map(({ validToDate }) => validToDate.getTime())),
      }
      return Object.fromEntries(
        Object.entries(ends).flatMap(([kind, at]) => (at === undefined ? [] : [[kind, (at - clock()) / second]])),
      )
    },
    stop: () => clearInterval(timer),
  }
}
