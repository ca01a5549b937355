import { toRfc3339 } from '../core/time.ts'
import type { Config } from './config.ts'
import type { Secrets } from './secrets.ts'

/** What `--check-config` prints: every setting with where it came from, and of secrets only what is public. JSON. */
export const effectiveConfiguration = (config: Config, { bundle, issuers, server, serverIssuer }: Secrets): string => {
  const document = {
    options: config.effective,
    tables: config.tables,
    trust_bundle: { version: bundle.version, sha256: bundle.sha256 },
    issuers: issuers.map(({ issuer_id, not_after, signer }) => ({
      issuer_id,
      expires_at: toRfc3339(not_after),
      signs: signer !== undefined,
    })),
    server_certificate:
      server === undefined
        ? { issued_by: serverIssuer?.issuer_id, renewed_in_memory: true }
        : { expires_at: toRfc3339(server.not_after) },
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}
