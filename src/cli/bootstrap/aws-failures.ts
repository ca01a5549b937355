import { CliError, type CliErrorOptions, configurationError, exitCode } from '../errors.ts'

/** An error of the AWS SDK, or of what is below it. */
interface SdkError extends Error {
  code?: string
  $metadata?: { httpStatusCode?: number }
  $response?: unknown
  cause?: unknown
}

const noCredentials = new Set(['CredentialsProviderError', 'TokenProviderError'])
const badCredentials = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'UnrecognizedClientException',
])
const denied = new Set(['AccessDenied', 'AccessDeniedException', 'NotAuthorized', 'KMSAccessDeniedException'])
const throttled =
  /Throttl|TooManyRequests|RateExceeded|LimitExceeded|ThroughputExceeded|ServiceUnavailable|InternalServer|InternalFailure|InternalError/
const unreachable = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
])

const again = 'Run it again: it goes on where it stopped.'

/** What AWS said, the first line of it. */
const whyOf = (error: Error): { why?: string } => {
  const [line = ''] = error.message.split('\n')
  return line === '' || line === 'UnknownError' ? {} : { why: line.slice(0, 500) }
}

/**
 * The refusal that an error of AWS is: what happened, why, and what to do next. `what` says what was being done, e.g.
 * `read the secret /airunner/prod/ca-key`. Undefined when it is no error of AWS.
 */
export const awsRefusal = (thrown: unknown, what: string, region: string | undefined): CliError | undefined => {
  if (!(thrown instanceof Error)) return undefined
  const error = thrown as SdkError
  const refuse = (exit: CliError['exitCode'], next: string, more: CliErrorOptions = {}) =>
    new CliError(exit, `cannot ${what}`, { ...whyOf(error), ...more, next, cause: error })
  const code = error.code ?? (error.cause as SdkError | undefined)?.code ?? ''
  const where = region === undefined ? 'the region of this session' : region

  if (/^Region is missing/.test(error.message))
    return configurationError('no AWS region is configured', { next: 'Give --aws-region.', cause: error })
  if (noCredentials.has(error.name))
    return refuse(
      exitCode.configuration,
      'Give credentials as the AWS CLI takes them: AWS_PROFILE, `aws sso login`, or AWS_ACCESS_KEY_ID with its secret.',
    )
  if (badCredentials.has(error.name))
    return refuse(exitCode.configuration, 'Get fresh credentials; `aws sts get-caller-identity` shows whose they are.')
  if (denied.has(error.name))
    return refuse(
      exitCode.notLetIn,
      'Run it as the role that Terraform was given as admin_role_arn; docs/bootstrap.md lists what it must be allowed. `aws sts get-caller-identity` shows who you are.',
    )
  if (throttled.test(error.name)) return refuse(exitCode.unavailable, again)
  if (error.name === 'TimeoutError' || error.name === 'AbortError' || unreachable.has(code))
    return refuse(
      exitCode.unreachable,
      code === 'ENOTFOUND'
        ? `Is ${where} the right region, and is the network up? ${again}`
        : `Check the network, and AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_DYNAMODB and its siblings if they are set. ${again}`,
      error.message === '' ? { why: code || error.name } : {},
    )
  if (error.name === 'ResourceNotFoundException' || error.name === 'ParameterNotFound')
    return refuse(exitCode.notFound, `Apply the Terraform of this environment in ${where} first.`)
  const status = error.$metadata?.httpStatusCode
  if (status === undefined) return undefined
  return refuse(status >= 500 ? exitCode.unavailable : exitCode.failed, again)
}

/** Calls AWS; what it refuses becomes a refusal of ours. */
export const callAws = async <T>(what: string, region: string | undefined, call: () => Promise<T>): Promise<T> => {
  try {
    return await call()
  } catch (error) {
    throw awsRefusal(error, what, region) ?? error
  }
}
