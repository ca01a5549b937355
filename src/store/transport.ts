import { crc32 } from 'node:zlib'
import type { DynamoDBClientConfig } from '@aws-sdk/client-dynamodb'
import { errorOfAnswer, unreadable } from './aws-error.ts'
import { makeAwsSettings } from './aws-settings.ts'
import { type Answer, makePost } from './post.ts'
import { makeSign } from './signature.ts'

/** Sent and received times are Unix milliseconds on this clock; `date` is the store's header. */
export type OnAnswer = (sentAt: number, receivedAt: number, date: string | undefined) => void

export interface Transport {
  /** One attempt of one operation: its JSON in, its JSON out. Throws what the AWS SDK would throw. */
  call(operation: string, input: unknown, milliseconds: number): Promise<unknown>
  close(): void
}

/** A signature is refused from this difference of the clocks on, so what is signed then follows the store's. Milliseconds. */
const refusedSkew = 5 * 60 * 1000

const documentOf = ({ status, headers, body }: Answer): unknown => {
  const sum = headers['x-amz-crc32']
  if (sum !== undefined && Number(sum) !== crc32(body)) throw unreadable(status)
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (cause) {
    throw unreadable(status, cause)
  }
}

/**
 * The few operations of every request, without the AWS SDK's way of sending them, which costs several times what it
 * sends: the SDK says where to and as whom, a maintained signer signs, Node posts.
 */
export const openTransport = (config: DynamoDBClientConfig, tableName: string, onAnswer: OnAnswer): Transport => {
  const settingsNow = makeAwsSettings(config, tableName)
  const sign = makeSign()
  const { post, close } = makePost()
  let clockOffset = 0

  const followClock = (date: string | undefined): void => {
    const theirs = Date.parse(date ?? '')
    if (Math.abs(theirs - (Date.now() + clockOffset)) >= refusedSkew) clockOffset = theirs - Date.now()
  }

  return {
    call: async (operation, input, milliseconds) => {
      const settings = await settingsNow()
      const { hostname, port } = settings
      const body = JSON.stringify(input)
      const headers = await sign(
        settings,
        {
          host: port === undefined ? hostname : `${hostname}:${port}`,
          'content-type': 'application/x-amz-json-1.0',
          'content-length': String(Buffer.byteLength(body)),
          'x-amz-target': `DynamoDB_20120810.${operation}`,
          'user-agent': 'airunner-control-plane',
        },
        body,
        new Date(Date.now() + clockOffset),
      )
      const sentAt = Date.now()
      const answer = await post(settings, headers, body, milliseconds)
      followClock(answer.headers.date)
      if (answer.status !== 200) throw errorOfAnswer(answer)
      const document = documentOf(answer)
      onAnswer(sentAt, Date.now(), answer.headers.date)
      return document
    },
    close,
  }
}
