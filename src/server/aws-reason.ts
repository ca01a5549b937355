const longest = 300

/**
 * Why AWS, or the way to it, failed, as one short text for a log. The texts of errors about signatures and tokens are left
 * out, for they repeat the signed request with its session token, and of those about JSON, which quote the answer.
 */
export const awsReason = (error: unknown): string => {
  let cause = error
  // What the SDK says is more to the point than what we say about it.
  while (cause instanceof Error && cause.cause instanceof Error && !('$metadata' in cause)) cause = cause.cause
  const { name = 'Error', message = '', code } = cause as { name?: string; message?: string; code?: unknown }
  const kind = typeof code === 'string' ? `${name} ${code}` : name
  const told = /signature|token|skew|syntax/i.test(name) ? '' : message
  return `${kind}${told === '' ? '' : `: ${told}`}`.replace(/\s+/g, ' ').slice(0, longest)
}
