import type { Tables } from '../../src/store/schema.ts'

interface Body {
  TableName?: string
  IndexName?: string
  RequestItems?: Record<string, unknown>
  TransactItems?: Record<string, { TableName: string }>[]
}

/**
 * What IAM must allow for a call of DynamoDB, one line each: `dynamodb:Query certificates/GSI1`. A transaction has no
 * action of its own: it needs those of its items.
 */
export const grantsOfCall = (operation: string, body: string, tables: Tables): string[] => {
  const call = JSON.parse(body) as Body
  const nameOf = (table: string | undefined): string =>
    Object.entries(tables).find(([, name]) => table === name || table?.endsWith(`:table/${name}`))?.[0] ?? String(table)
  if (operation === 'TransactWriteItems')
    return (call.TransactItems ?? []).flatMap((item) =>
      Object.entries(item).map(([kind, { TableName }]) => `dynamodb:${kind}Item ${nameOf(TableName)}`),
    )
  if (call.RequestItems !== undefined)
    return Object.keys(call.RequestItems).map((table) => `dynamodb:${operation} ${nameOf(table)}`)
  const index = call.IndexName === undefined ? '' : `/${call.IndexName}`
  return [`dynamodb:${operation} ${nameOf(call.TableName)}${index}`]
}

const services: Record<string, string> = {
  AmazonEC2ContainerServiceV20141113: 'ecs',
  AmazonSSM: 'ssm',
  TrentService: 'kms',
  secretsmanager: 'secretsmanager',
}

/** Actions of IAM that a call needs, by the header `X-Amz-Target`. */
export const actionsOfCall = ({ target, body }: { target: string; body: string }, tables: Tables): string[] => {
  const [service = '', operation = ''] = target.split('.')
  if (service.startsWith('DynamoDB'))
    return grantsOfCall(operation, body, tables).map((grant) => grant.split(' ')[0] as string)
  return [`${services[service] ?? service}:${operation}`]
}
