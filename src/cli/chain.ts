import type { X509Certificate } from 'node:crypto'
import { currency, endsPath, mayCertify, signedBy } from '../pki/path.ts'
import { readCertificate } from '../pki/read-certificate.ts'

/** Longest path that is followed, leaf and root included. */
const longestPath = 8

const isSame = (one: X509Certificate, other: X509Certificate): boolean => one.raw.equals(other.raw)

/** The way from a leaf to a root: each certificate signed by the next, the root last; undefined when there is none. */
export const pathToRoot = (
  leaf: X509Certificate,
  others: X509Certificate[],
  roots: X509Certificate[],
): X509Certificate[] | undefined => {
  const path = [leaf]
  while (path.length <= longestPath) {
    const last = path.at(-1) as X509Certificate
    if (roots.some((root) => isSame(root, last))) return path
    const root = roots.find((candidate) => signedBy(last, candidate))
    if (root !== undefined) return [...path, root]
    const next = others.find(
      (candidate) => !path.some((taken) => isSame(taken, candidate)) && signedBy(last, candidate),
    )
    if (next === undefined) return undefined
    path.push(next)
  }
  return undefined
}

const nameOf = (certificate: X509Certificate): string =>
  certificate.subject?.replaceAll('\n', ', ') || 'the certificate'

/**
 * Everything that is wrong with a certificate by the roots of the bundle, one sentence each; empty when it is good at `now`
 * (Unix milliseconds). Whether it is revoked is the registry's to say.
 * @see RFC 5280 §6.1
 */
export const chainProblems = (
  leaf: X509Certificate,
  others: X509Certificate[],
  roots: X509Certificate[],
  now: number,
): string[] => {
  const path = pathToRoot(leaf, others, roots)
  if (path === undefined) {
    const issuer = leaf.issuer?.replaceAll('\n', ', ') ?? ''
    return [
      others.length === 0 && !roots.some((root) => root.subject === leaf.issuer)
        ? `The file holds no certificate of its issuer (${issuer}), so no way leads to the trust bundle.`
        : 'It does not lead to a root in the trust bundle.',
    ]
  }
  const problems: string[] = []
  for (const [index, certificate] of path.entries()) {
    const read = readCertificate(certificate.raw)
    const problem = currency(read, now)
    if (problem !== undefined) problems.push(`${nameOf(certificate)} ${problem}.`)
    if (index === 0) continue
    if (!mayCertify(certificate, read)) problems.push(`${nameOf(certificate)} is not a CA.`)
    if (index > 1 && endsPath(read)) problems.push(`${nameOf(certificate)} allows no CA below it.`)
  }
  return problems
}
