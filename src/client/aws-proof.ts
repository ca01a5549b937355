import { bindingHeader, bindingOf, stsBody, stsContentType, stsHostOf } from '../wire/aws-proof.ts'
import type { AwsProof } from '../wire/enrollments.ts'
import { FileProblem } from './files.ts'

export interface AwsCredentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
}

export interface AwsProofOptions {
  /** The name of the plane that the proof is for, as its server certificate says it. */
  hostname: string
  /** SHA-256 of the DER of the certificate request that it is for, 64 hex digits. */
  csrSha256: string
  /** Whose STS the plane asks; absent: AWS_REGION, AWS_DEFAULT_REGION, else us-east-1, which knows every identity too. */
  region?: string
  /** Absent: found as every AWS tool finds them (environment, files, container, instance). */
  credentials?: AwsCredentials
  now?: () => number
  env?: Record<string, string | undefined>
}

/** For a metadata service to answer. Milliseconds. */
const metadataTimeout = 2000

const findCredentials = async (): Promise<AwsCredentials> => {
  const { defaultProvider } = await import('@aws-sdk/credential-provider-node')
  try {
    return await defaultProvider({ timeout: metadataTimeout, maxRetries: 2 })()
  } catch (cause) {
    throw new FileProblem(
      'unusable',
      'no AWS credentials were found',
      'neither environment, files, container nor instance have any',
      {
        next: 'Run this where a role of AWS is at hand, or set AWS_PROFILE.',
        cause,
      },
    )
  }
}

/**
 * Signs the request by which the plane asks STS who this machine is, bound to that plane and to one certificate request. The
 * request itself is never sent from here. The AWS packages are loaded when this is called, and not before. Throws FileProblem.
 */
export const signAwsProof = async ({
  hostname,
  csrSha256,
  now = Date.now,
  env = process.env,
  ...options
}: AwsProofOptions): Promise<AwsProof> => {
  const region = options.region ?? (env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || 'us-east-1')
  const [{ SignatureV4 }, { Sha256 }, credentials] = await Promise.all([
    import('@smithy/signature-v4'),
    import('@aws-crypto/sha256-js'),
    options.credentials ?? findCredentials(),
  ])
  const host = stsHostOf(region)
  // The checksum would be one more header, which the plane does not send.
  const signer = new SignatureV4({ service: 'sts', region, credentials, sha256: Sha256, applyChecksum: false })
  const { headers } = await signer.sign(
    {
      method: 'POST',
      protocol: 'https:',
      hostname: host,
      path: '/',
      headers: { host, 'content-type': stsContentType, [bindingHeader]: bindingOf(hostname, csrSha256) },
      body: stsBody,
    },
    { signingDate: new Date(now()) },
  )
  const { authorization, 'x-amz-date': date, 'x-amz-security-token': session } = headers
  return {
    region,
    authorization: authorization as string,
    x_amz_date: date as string,
    ...(session === undefined ? {} : { x_amz_security_token: session }),
  }
}
