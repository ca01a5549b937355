import type { DynamoDBClient, DynamoDBClientConfig } from '@aws-sdk/client-dynamodb'

/** Where requests go, for whom they are signed, and as whom. */
export interface AwsSettings {
  protocol: string
  hostname: string
  port: number | undefined
  path: string
  region: string
  credentials: AwsCredentials
}

export interface AwsCredentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
}

type Built = Pick<AwsSettings, 'protocol' | 'hostname' | 'port' | 'path'> & { headers: Record<string, string> }

/** Ends the making of a request that is only looked at. */
class Enough extends Error {}

/**
 * What the AWS SDK would do, as it says itself: it builds one request, which is not sent, out of its environment variables,
 * files, endpoint rules and credential providers, whatever they are by then. Asked again when the credentials have changed,
 * since an endpoint may be one of their account. Throws what the SDK throws.
 */
export const makeAwsSettings = (config: DynamoDBClientConfig, tableName: string): (() => Promise<AwsSettings>) => {
  let built: Built | undefined
  let opening: Promise<{ client: DynamoDBClient; build: () => Promise<void> }> | undefined
  let known: AwsSettings | undefined

  // Loaded with the first call: half of what the SDK takes to start is of no use to a program that asks for help.
  const open = async () => {
    const { DynamoDBClient, GetItemCommand } = await import('@aws-sdk/client-dynamodb')
    const client = new DynamoDBClient({
      ...config,
      maxAttempts: 1,
      requestHandler: {
        handle: async (request: unknown) => {
          built = request as Built
          throw new Enough()
        },
      },
    })
    const build = async () => {
      built = undefined
      try {
        await client.send(new GetItemCommand({ TableName: tableName, Key: { pk: { S: '-' } } }))
      } catch (error) {
        if (built === undefined) throw error
      }
    }
    return { client, build }
  }

  return async () => {
    opening ??= open()
    const { client, build } = await opening
    // Kept by the SDK until shortly before they expire.
    const credentials = (await client.config.credentials()) as AwsCredentials
    if (known?.credentials === credentials) return known
    await build()
    const { protocol, hostname, port, path, headers } = built as unknown as Built
    const region = /Credential=[^/]+\/\d{8}\/([^/]+)\/dynamodb\//.exec(headers['authorization'] ?? '')?.[1]
    if (region === undefined) throw new Error('the AWS SDK did not sign its request for a region of DynamoDB')
    known = { protocol, hostname, port, path, region, credentials }
    return known
  }
}
