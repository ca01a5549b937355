import type { X509Certificate } from 'node:crypto'
import { sha256Hex } from '../../core/bytes.ts'
import { readCertificateChain } from '../../pki/trust.ts'
import { BootstrapProblem } from './keys.ts'
import { isPlaceholder } from './shelves.ts'
import { rootSha256 } from './vault.ts'

export interface AcceptedRootsDeps {
  /** The parameter `ca-cert` as it stands. */
  published: string
  own: X509Certificate
  /** On record, and given for this run: SHA-256 of the DER, lower-case hex. */
  recorded: readonly string[]
  given: readonly string[]
  /** Digests of values that a new CA has made worthless. */
  replaceable: readonly string[]
}

const certificatesOf = (text: string): X509Certificate[] => {
  try {
    return isPlaceholder(text) ? [] : readCertificateChain(text)
  } catch {
    // Refused before anything is uploaded, with all else that bootstrap did not put there.
    return []
  }
}

/**
 * Roots that may stand beside ours in `ca-cert`. Whoever can write that parameter alone could add one of his own, and every
 * server and agent would trust it: so each must have been accepted by name. Throws BootstrapProblem for one that was not.
 */
export const acceptedRoots = (deps: AcceptedRootsDeps): string[] => {
  const { published, own, recorded, given, replaceable } = deps
  const anew = isPlaceholder(published) || replaceable.includes(sha256Hex(published))
  const there = anew ? [] : certificatesOf(published)
  // An older certificate of our key gives way to ours.
  const oursIsThere = there.some(({ raw }) => raw.equals(own.raw))
  const isOurs = ({ raw, publicKey }: X509Certificate) =>
    oursIsThere ? raw.equals(own.raw) : publicKey.equals(own.publicKey)
  const others = there.filter((each) => !isOurs(each)).map(rootSha256)
  const absent = given.find((each) => !others.includes(each) && each !== rootSha256(own))
  if (absent !== undefined)
    throw new BootstrapProblem(`--accept-root: the parameter ca-cert holds no root sha256:${absent}`, {
      next: 'Leave the flag out, or name a root that is there.',
    })
  // Without ours it is not a question of one root more.
  if (others.length === there.length) return [...recorded]
  const foreign = others.filter((each) => !recorded.includes(each) && !given.includes(each))
  if (foreign.length > 0)
    throw new BootstrapProblem(
      `the parameter ca-cert holds something that bootstrap did not put there: ${foreign.map((each) => `the root sha256:${each}`).join(', ')}`,
      {
        next: `Take it out of ca-cert and find out who wrote there: whoever has its key is trusted by every server and agent. If it is yours: ${foreign.map((each) => `--accept-root sha256:${each}`).join(' ')}`,
      },
    )
  return [...new Set(others)].sort()
}
