import { fingerprintOfKey } from '../core/audit-chain.ts'
import { toRfc3339 } from '../core/time.ts'
import { spkiOf } from '../pki/keys.ts'
import type { Config } from './config.ts'
import { variables } from './options.ts'
import type { Secrets } from './secrets.ts'

const described = ({ bundle, issuers, server, serverIssuer, audit, ended }: Secrets) => ({
  trust_bundle: { version: bundle.version, sha256: bundle.sha256 },
  issuers: issuers.map(({ issuer_id, not_after, signer }) => ({
    issuer_id,
    expires_at: toRfc3339(not_after),
    signs: signer !== undefined,
  })),
  ...(ended.length === 0
    ? {}
    : {
        expired_ignored: ended.map(({ kind, issuer_id, ended_at, variable }) => ({
          kind,
          issuer_id,
          expired_at: toRfc3339(ended_at),
          variable,
        })),
      }),
  ...(audit === undefined ? {} : { audit_key_sha256: fingerprintOfKey(spkiOf(audit.publicKey)) }),
  server_certificate:
    server === undefined
      ? { issued_by: serverIssuer?.issuer_id, renewed_in_memory: true }
      : { expires_at: toRfc3339(server.not_after) },
})

/** AWS is not asked: what is there, and whether it fits, shows at the start. */
const notChecked = ({
  issuer_kms_keys,
  server_issuer_kms_keys,
  audit_kms_keys,
  ssm_prefix,
}: Config['aws']): string[] => [
  ...(issuer_kms_keys.length > 0 ? [variables.issuerKmsKeyId.env] : []),
  ...(server_issuer_kms_keys.length > 0 ? [variables.serverIssuerKmsKeyId.env] : []),
  ...(audit_kms_keys === undefined ? [] : [variables.auditKmsKeyId.env]),
  ...(ssm_prefix === undefined ? [] : [variables.ssmPrefix.env]),
]

/**
 * What `--check-config` prints: every setting with where it came from, and of secrets only what is public. JSON. `secrets`
 * are absent when some of them are in the Parameter Store alone.
 */
export const effectiveConfiguration = (config: Config, secrets: Secrets | undefined): string => {
  const { effective: options, tables, aws } = config
  const document = {
    options,
    tables,
    ...aws,
    ...(secrets === undefined ? {} : described(secrets)),
    not_checked: notChecked(aws),
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}
