import type { X509Certificate } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { chainProblems } from '../chain.ts'
import type { Connection } from '../connection.ts'
import { type Identity, readCertificates, readIdentity } from '../credentials.ts'
import { exitCode } from '../errors.ts'
import { renewalDue } from '../renewal.ts'
import { relativeTime } from '../text.ts'
import { type Check, fail, failOf, ok, skip, warn } from './check.ts'

/** The caller's own certificate, as far as this machine can tell. */

/** Key and certificate: readable, fitting, and the key for its owner's eyes only. */
export const checkKey = async (connection: Connection): Promise<{ check: Check; identity?: Identity }> => {
  const check = 'own key'
  let identity: Identity
  try {
    identity = await readIdentity(connection.client_cert, connection.client_key)
  } catch (error) {
    return { check: failOf(check, error) }
  }
  const { mode } = await stat(connection.client_key)
  if ((mode & 0o077) !== 0)
    return {
      identity,
      check: warn(
        check,
        `fits its certificate, but others on this machine can read it (mode ${(mode & 0o777).toString(8)})`,
        `\`chmod 600 ${connection.client_key}\``,
      ),
    }
  return { identity, check: ok(check, 'fits its certificate') }
}

/** Dates, and the way to the trust bundle. */
export const checkCertificate = (identity: Identity, roots: X509Certificate[], now: number): Check => {
  const check = 'own certificate'
  const { certificate } = identity
  const name = certificate.subject?.replaceAll('\n', ', ') ?? 'no subject'
  const expires = Date.parse(certificate.validTo)
  const from = Date.parse(certificate.validFrom)
  const renewOrAsk = 'Ask an admin for a new one: `airunner certificate generate`.'
  if (expires <= now) return fail(check, exitCode.notLetIn, `${name} expired ${relativeTime(expires, now)}`, renewOrAsk)
  if (from > now)
    return fail(
      check,
      exitCode.notLetIn,
      `${name} becomes valid ${relativeTime(from, now)}`,
      'The clock of this machine is behind, or the certificate was made for later.',
    )
  const [, ...issuers] = readCertificates(identity.certificatePem, 'the client certificate')
  const problems = chainProblems(certificate, issuers, roots, now)
  const detail = `${name}, expires ${relativeTime(expires, now)}`
  // The server knows its issuers, so a file without them still gets in: not a failure by itself.
  return problems.length === 0
    ? ok(check, detail)
    : warn(check, `${detail}. ${problems.join(' ')}`, 'Keep the issuer behind the certificate in the same file.')
}

/** When `certificate renew --if-needed` will act. */
export const checkRenewal = (identity: Identity | undefined, now: number): Check => {
  const check = 'next renewal'
  if (identity === undefined) return skip(check, 'there is no certificate to renew')
  const due = renewalDue(identity.certificate)
  const expires = Date.parse(identity.certificate.validTo)
  if (expires <= now) return skip(check, 'too late: it is expired')
  return now < due
    ? ok(check, `${relativeTime(due, now)}`)
    : warn(
        check,
        `has been due since ${relativeTime(due, now)}`,
        '`airunner certificate renew`, or let cron run it with --if-needed.',
      )
}
