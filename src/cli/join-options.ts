import { InvalidArgumentError, Option } from 'commander'
import { readFingerprint } from '../client/fingerprint.ts'

/** What `enroll` and `agent run` are told of joining. */

/** Flags by their camel-case names. */
export interface JoinFlags {
  tokenFile?: string
  awsIam?: true
  oidcTokenFile?: string
  caFingerprint?: string
  id?: string
}

const readFingerprintFlag = (text: string): string => {
  const digits = readFingerprint(text)
  if (digits === undefined) throw new InvalidArgumentError('Expected sha256: and 64 hex digits.')
  return digits
}

export const proofOptions = (): Option[] => [
  new Option('--token-file <file>', 'join with the join token in this file; - is stdin'),
  new Option('--aws-iam', 'join with the AWS role that this machine has'),
  new Option('--oidc-token-file <file>', 'join with the id token in this file'),
]

export const fingerprintOption = () =>
  new Option(
    '--ca-fingerprint <sha256:hex>',
    'instead of --cacert: SHA-256 of the DER of the root that the server must lead to',
  ).argParser(readFingerprintFlag)
