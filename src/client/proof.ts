import { readFile } from 'node:fs/promises'
import type { Enroll } from '../wire/enrollments.ts'
import { FileProblem, fileError } from './files.ts'
import { csrSha256 } from './identity.ts'

/** How a machine proves who it is when it joins: by a secret it was given, or by what its platform says of it. */
export type ProofSource =
  | { method: 'token'; read: () => Promise<string> }
  | { method: 'oidc'; read: () => Promise<string> }
  | { method: 'aws_iam' }

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
/** What a proof adds to the body of an enrolment. */
export type Proof = DistributiveOmit<Enroll, 'csr_pem' | 'principal_id' | 'metadata'>

/** A secret from a file, without the line break that editors leave. Throws FileProblem. */
export const readSecret = async (path: string, what: string): Promise<string> => {
  let text: string
  try {
    text = (await readFile(path, 'utf8')).trim()
  } catch (error) {
    throw fileError(`cannot read the ${what} ${path}`, error)
  }
  return checkSecret(text, `the ${what} ${path}`)
}

export const checkSecret = (text: string, source: string): string => {
  if (text === '' || /\s/.test(text))
    throw new FileProblem('unusable', `${source} cannot be used`, 'Expected one word.')
  return text
}

/**
 * The proof for one request at a time (Unix ms); `hostname` names the plane that it is for. AWS is loaded only when it is asked.
 */
export const proveWith = async (
  source: ProofSource,
  csrPem: string,
  hostname: string,
  now: () => number,
): Promise<Proof> => {
  if (source.method === 'token') return { method: 'token', join_token: await source.read() }
  if (source.method === 'oidc') return { method: 'oidc', id_token: await source.read() }
  const { signAwsProof } = await import('./aws-proof.ts')
  return { method: 'aws_iam', aws: await signAwsProof({ hostname, csrSha256: csrSha256(csrPem), now }) }
}
