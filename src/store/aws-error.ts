import type { Answer } from './post.ts'

interface ErrorDocument {
  __type?: unknown
  code?: unknown
  message?: unknown
  Message?: unknown
  CancellationReasons?: unknown
}

/** `com.amazonaws.dynamodb.v20120810#ThrottlingException:http://…` names a ThrottlingException. */
const plainName = (text: unknown): string | undefined => {
  const first = String(text ?? '')
    .split(',')[0]
    ?.split(':')[0]
  return first?.split('#').at(-1) || undefined
}

const read = (body: Buffer): ErrorDocument => {
  try {
    return (JSON.parse(body.toString('utf8')) ?? {}) as ErrorDocument
  } catch {
    // What stands in between, a proxy or a balancer, answers in its own words.
    return {}
  }
}

/** The error that the AWS SDK would throw for this answer, as far as failures.ts looks into it. */
export const errorOfAnswer = ({ status, headers, body }: Answer): Error => {
  const { __type, code, message, Message, CancellationReasons } = read(body)
  const name = plainName(__type) ?? plainName(code) ?? plainName(headers['x-amzn-errortype']) ?? 'Unknown'
  return Object.assign(new Error(String(message ?? Message ?? `the store answered ${status}`)), {
    name,
    $fault: status < 500 ? 'client' : 'server',
    $metadata: { httpStatusCode: status, requestId: headers['x-amzn-requestid'] },
    ...(Array.isArray(CancellationReasons) ? { CancellationReasons } : {}),
  })
}

/** Of an answer that says it is well and cannot be read: its effect is unknown. */
export const unreadable = (status: number, cause?: unknown): Error =>
  Object.assign(new Error('the answer of the store cannot be read', { cause }), {
    name: 'UnreadableAnswer',
    $metadata: { httpStatusCode: status },
  })
