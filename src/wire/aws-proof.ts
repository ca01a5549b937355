/**
 * The one request that a proof of the method `aws_iam` signs: who signs and who sends it read its parts here, so that the
 * client chooses nothing of what is sent but the signature.
 *
 *     POST https://sts.<region>.amazonaws.com/
 *     Content-Type, Host, X-Airunner-Binding, X-Amz-Date and, with a session, X-Amz-Security-Token: all signed, no others
 */
export const stsHostOf = (region: string): string => `sts.${region}.amazonaws.com`
export const stsBody = 'Action=GetCallerIdentity&Version=2011-06-15'
export const stsContentType = 'application/x-www-form-urlencoded; charset=utf-8'
export const bindingHeader = 'x-airunner-binding'

/** What makes a signature good for one plane and one certificate request only. `csrSha256`: of its DER, 64 hex digits. */
export const bindingOf = (hostname: string, csrSha256: string): string => `${hostname}.${csrSha256}`

/** The names of the signed headers, in the order in which a signature lists them. */
export const signedHeadersOf = (withSession: boolean): string[] => [
  'content-type',
  'host',
  bindingHeader,
  'x-amz-date',
  ...(withSession ? ['x-amz-security-token'] : []),
]
