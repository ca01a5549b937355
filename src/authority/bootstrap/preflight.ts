import { ControlError } from '../../core/errors.ts'
import type { Store } from '../../store/client.ts'
import { BootstrapProblem } from './keys.ts'

/** Clocks that differ more than this make certificates that are not valid yet. Milliseconds. */
const largestSkew = 30_000

/** Every table is there and answers, and this machine's clock is right. */
export const mustAnswer = async (store: Store): Promise<void> => {
  const { tables } = store
  const looks: [string, Record<string, string>][] = [
    [tables.principals, { principal_id: 'bootstrap' }],
    [tables.certificates, { serial_number: '0'.repeat(32) }],
    [tables.control, { pk: 'BOOTSTRAP', sk: 'BOOTSTRAP' }],
  ]
  for (const [TableName, Key] of looks)
    await store.get({ TableName, Key }).catch((error: unknown) => {
      const { cause } = error as { cause?: Error }
      if (error instanceof ControlError && cause?.name === 'ResourceNotFoundException')
        throw new BootstrapProblem(`there is no table ${TableName}`, {
          next: 'Apply the Terraform of this environment first, or name the table: --principal-table, --cert-table, --control-table.',
          missing: true,
          cause,
        })
      throw error
    })
  if (store.clockSkew() > largestSkew)
    throw new BootstrapProblem(
      `the clock of this machine differs from AWS by ${Math.round(store.clockSkew() / 1000)} s`,
      {
        next: 'Set it right, then run this again.',
      },
    )
}
