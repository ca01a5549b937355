import type { Authority } from '../../wire/authorities.ts'
import { BootstrapProblem } from '../bootstrap/keys.ts'

/** What the plane says of its issuers and roots, and how a new issuer is told to it. */
export interface KnownAuthorities {
  list(): Promise<Authority[]>
  prepare(certificatePem: string, kmsKeyId: string | undefined): Promise<Authority>
}

/** True for an issuer that came with a rotation and has not signed yet: the one that a rotation is about. */
export const waits = ({ kind, state, activated_at }: Authority): boolean =>
  kind === 'issuer' && state === 'prepared' && activated_at === undefined

/** Refuses to make a second new issuer while another waits: two of them are nobody's wish. */
export const refuseSecond = (known: readonly Authority[], ours?: string): void => {
  const waiting = known.find((each) => waits(each) && each.issuer_id !== ours)
  if (waiting === undefined) return
  const { issuer_id: id } = waiting
  throw new BootstrapProblem(`another issuer is prepared and has not been activated: ${id}`, {
    next: `Go on with it: \`airunner ca get ${id}\`. Or give it up: \`airunner ca remove ${id}\`.`,
  })
}

/** Refuses to go on with an issuer whose time has come and gone. */
export const refuseUsed = (known: readonly Authority[], issuerId: string, where: string): void => {
  const found = known.find((each) => each.issuer_id === issuerId)
  if (found === undefined || waits(found)) return
  throw new BootstrapProblem(
    `${where} is the issuer ${issuerId}, which is ${found.state}${found.activated_at === undefined ? '' : ` (first activated at ${found.activated_at})`}`,
    { next: 'Put its files where the servers read them, if they are not there, or choose another --output-dir.' },
  )
}

/** Servers trust a root from their own configuration alone, and refuse an issuer of any other. */
export const mustTrust = (known: readonly Authority[], rootSha256: string, next: string): void => {
  if (known.some(({ kind, sha256 }) => kind === 'root' && sha256 === rootSha256)) return
  throw new BootstrapProblem(`the servers do not trust the root sha256:${rootSha256} yet`, { next })
}
