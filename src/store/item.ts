import type { TransactWriteCommandInput } from '@aws-sdk/lib-dynamodb'

/** A row: attributes by name, as JavaScript has them. */
export type Item = Record<string, unknown>
/** One write, or one condition, of a transaction. */
export type TransactItem = NonNullable<TransactWriteCommandInput['TransactItems']>[number]
