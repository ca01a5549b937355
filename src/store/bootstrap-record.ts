import type { Item, Store } from './client.ts'
import { insist } from './persist.ts'
import { controlKey } from './schema.ts'

/** What bootstrap has settled for a deployment. Nothing in it is secret. */
export interface BootstrapRecord {
  /** SHA-256 of the root certificate's DER. */
  root_sha256: string
  /** Version of the secret `ca-key` that holds the keys of that root and of the issuers below it. */
  vault_version: string
  /** ARN of the issuer's key, when it is in KMS. */
  kms_issuer_key?: string
  /** Roots that an administrator has accepted beside it in `ca-cert`: SHA-256 of their DER. */
  accepted_roots?: string[]
  /** While a new root takes the place of an old one: digests of the values that may be overwritten. */
  replaceable?: string[]
  revision: number
}

const fromItem = (item: Item): BootstrapRecord => ({
  root_sha256: String(item['root_sha256']),
  vault_version: String(item['vault_version']),
  ...(item['kms_issuer_key'] === undefined ? {} : { kms_issuer_key: String(item['kms_issuer_key']) }),
  ...(item['accepted_roots'] === undefined ? {} : { accepted_roots: item['accepted_roots'] as string[] }),
  ...(item['replaceable'] === undefined ? {} : { replaceable: item['replaceable'] as string[] }),
  revision: Number(item['revision']),
})

/** The one record that decides which of two bootstraps was first. */
export const makeBootstrapRecords = (store: Store) => {
  const table = store.tables.control
  const get = async (): Promise<BootstrapRecord | undefined> => {
    const item = await store.get({ TableName: table, Key: controlKey.bootstrap() })
    return item && fromItem(item)
  }
  return {
    get,

    /** Writes `next` if the record is still as it was read; undefined when somebody else was first. */
    replace: async (
      read: BootstrapRecord | undefined,
      next: Omit<BootstrapRecord, 'revision'>,
    ): Promise<BootstrapRecord | undefined> => {
      const revision = (read?.revision ?? 0) + 1
      await insist(() =>
        store.put({
          TableName: table,
          Item: { ...controlKey.bootstrap(), ...next, revision },
          ConditionExpression: read === undefined ? 'attribute_not_exists(#pk)' : '#revision = :read',
          ExpressionAttributeNames: read === undefined ? { '#pk': 'pk' } : { '#revision': 'revision' },
          ...(read === undefined ? {} : { ExpressionAttributeValues: { ':read': read.revision } }),
        }),
      )
      // Read back: a write whose answer was lost is refused when it is sent again, and yet it is ours.
      const now = await get()
      return now?.revision === revision && now.vault_version === next.vault_version ? now : undefined
    },

    /** Who holds the lease of a piece of work, and until when (Unix milliseconds). */
    holder: async (work: string): Promise<{ owner: string; until: number } | undefined> => {
      const item = await store.get({ TableName: table, Key: controlKey.lease(work) })
      return item && { owner: String(item['owner']), until: Number(item['until']) }
    },
  }
}
export type BootstrapRecords = ReturnType<typeof makeBootstrapRecords>
