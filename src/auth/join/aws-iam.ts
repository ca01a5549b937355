import { sha256Hex } from '../../core/bytes.ts'
import { minute, second } from '../../core/time.ts'
import { bindingHeader, bindingOf, signedHeadersOf, stsBody, stsContentType, stsHostOf } from '../../wire/aws-proof.ts'
import type { AwsProof } from '../../wire/enrollments.ts'
import { commercialRegions, isRegion, partitionOf } from './aws-regions.ts'
import { type Answer, ExchangeFailed, type ExchangePort, makeExchange } from './exchange.ts'
import { JoinRefused, JoinUnproven, type VerifyProof } from './proof.ts'
import { errorCodeOf, readCallerIdentity } from './sts-answer.ts'

/** How far the date of a signature may be from our clock, milliseconds; STS itself would take 15 minutes. */
const dateTolerance = 5 * minute
/** How long a used signature is remembered: twice as long as it could be used. Milliseconds. */
const keepSignature = 20 * minute
const stsTimeout = 3 * second
const stsLimit = 64 * 1024

export interface VerifyAwsIamDeps {
  /** The name of this plane, as in its server certificate. */
  hostname: string
  /** Whose STS may be asked. */
  regions?: readonly string[]
  exchange?: ExchangePort
  /** Where the STS of a region is: an emulator, or a test. The Host header stays that of AWS, for it is signed. */
  endpointOf?: (region: string) => { url: URL; ca?: string }
}

const awsEndpointOf = (region: string): { url: URL } => ({ url: new URL(`https://${stsHostOf(region)}/`) })

const authorizationExpression = new RegExp(
  [
    '^AWS4-HMAC-SHA256 ',
    'Credential=(?<key>[A-Z0-9]{16,128})/(?<date>\\d{8})/(?<region>[a-z0-9-]{1,32})/sts/aws4_request, ?',
    'SignedHeaders=(?<headers>[a-z0-9;-]{1,256}), ?',
    'Signature=(?<signature>[0-9a-f]{64})$',
  ].join(''),
)
const sessionTokenExpression = /^[!-~]{1,16384}$/

/** `YYYYMMDDTHHMMSSZ` as Unix milliseconds; undefined when it is no such moment. */
const readAmzDate = (text: string): number | undefined => {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)?.slice(1)
  if (parts === undefined) return undefined
  const [year, month, day, hours, minutes, seconds] = parts
  const written = `${year}-${month}-${day}T${hours}:${minutes}:${seconds}.000Z`
  const at = Date.parse(written)
  // The 31st of June is read as the 1st of July by some.
  return Number.isNaN(at) || new Date(at).toISOString() !== written ? undefined : at
}

interface Signature {
  authorization: string
  signature: string
}

/** The parts of the signature, once they agree with what will be sent. Throws JoinRefused. */
const readSignature = (proof: AwsProof, now: number): Signature => {
  const { region, authorization, x_amz_date: date, x_amz_security_token: session } = proof
  const at = readAmzDate(date)
  if (at === undefined) throw new JoinRefused('the date of the signature is malformed')
  if (Math.abs(now - at) > dateTolerance) throw new JoinRefused('the date of the signature is over 5 minutes off')
  if (session !== undefined && !sessionTokenExpression.test(session))
    throw new JoinRefused('the security token is malformed')
  const {
    key,
    date: scopeDate,
    region: scopeRegion,
    headers,
    signature,
  } = authorizationExpression.exec(authorization)?.groups ?? {}
  if (key === undefined || signature === undefined) throw new JoinRefused('the authorization is malformed')
  if (scopeDate !== date.slice(0, 8)) throw new JoinRefused('the signature is scoped to another day than its date')
  if (scopeRegion !== region) throw new JoinRefused('the signature is scoped to another region')
  const wanted = signedHeadersOf(session !== undefined).join(';')
  if (headers !== wanted) throw new JoinRefused('the signature is not over exactly the headers that are sent')
  // Written anew from its parts: nothing of the client's own text is sent on.
  const scope = `${key}/${scopeDate}/${region}/sts/aws4_request`
  return {
    authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=${wanted}, Signature=${signature}`,
    signature,
  }
}

/** @see https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html */
const throttled = ['Throttling', 'ThrottlingException', 'RequestLimitExceeded', 'ServiceUnavailable']

const refusalOf = ({ status, body }: Answer): JoinRefused => {
  if (status >= 300 && status < 400) return new JoinRefused('STS answered with a redirect')
  if (status >= 500) return new JoinUnproven(`STS failed with status ${status}`)
  const code = errorCodeOf(body)
  if (status === 429 || (code !== undefined && throttled.includes(code)))
    return new JoinUnproven(`STS has too much to do: status ${status}${code === undefined ? '' : `, ${code}`}`)
  return new JoinRefused(`STS did not accept the signature: status ${status}${code === undefined ? '' : `, ${code}`}`)
}

/**
 * For an STS at another address, that of an emulator or of a VPC endpoint: one for all regions, by `http:` if it says so.
 * Whoever answers there decides who may join, and what is signed stays the same: the Host of AWS is part of it.
 */
export const stsAt = (address: URL): Pick<VerifyAwsIamDeps, 'endpointOf' | 'exchange'> => ({
  endpointOf: () => ({ url: address }),
  exchange: makeExchange({ timeout: stsTimeout, limit: stsLimit, allowPlain: true }),
})

/**
 * Verifies a proof of the method `aws_iam`: STS is asked who signed a GetCallerIdentity request that is built here, bound to
 * this plane and to the certificate request. Throws JoinRefused, JoinUnproven when STS does not answer, for nothing is proven
 * then, and TypeError for a region that cannot be allowed.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export const makeVerifyAwsIam = ({
  hostname,
  regions = commercialRegions,
  exchange = makeExchange({ timeout: stsTimeout, limit: stsLimit }),
  endpointOf = awsEndpointOf,
}: VerifyAwsIamDeps): VerifyProof<AwsProof> => {
  const wrong = regions.find((region) => !isRegion(region))
  if (wrong !== undefined) throw new TypeError(`${JSON.stringify(wrong)} is not a region whose STS can be asked`)
  const allowed = new Set(regions)

  return async (proof, { csr_sha256, now }) => {
    const { region, x_amz_date: date, x_amz_security_token: session } = proof
    // 1. Everything that can be known without asking anybody. The region becomes part of a host name.
    if (!allowed.has(region)) throw new JoinRefused('the region is not allowed')
    const { authorization, signature } = readSignature(proof, now)
    // 2. Ask.
    const answer = await exchange({
      ...endpointOf(region),
      method: 'POST',
      headers: {
        host: stsHostOf(region),
        'content-type': stsContentType,
        [bindingHeader]: bindingOf(hostname, csr_sha256),
        'x-amz-date': date,
        ...(session === undefined ? {} : { 'x-amz-security-token': session }),
        authorization,
      },
      body: stsBody,
    }).catch((error: unknown) => {
      if (!(error instanceof ExchangeFailed)) throw error
      const reason = `STS could not be asked: ${error.message}`
      throw error.passing ? new JoinUnproven(reason) : new JoinRefused(reason)
    })
    if (answer.status !== 200) throw refusalOf(answer)
    // 3. Read.
    const identity = readCallerIdentity(answer.body, partitionOf(region))
    return {
      method: 'aws_iam',
      attributes: { ...identity },
      proof_id: sha256Hex(`aws_iam\n${date}\n${signature}`),
      keep_until: now + keepSignature,
      subject: identity.arn,
    }
  }
}
