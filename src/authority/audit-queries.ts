import { toRfc3339 } from '../core/time.ts'
import type { Page } from '../store/pages.ts'
import type { Registry } from '../store/registry.ts'
import type {
  AuditChainEventPage,
  AuditChainPage,
  AuditCheckpointPage,
  ListAuditChainEvents,
  ListAuditChains,
  ListAuditCheckpoints,
} from '../wire/audit-chains.ts'

const defaultLimit = 50

const pageWith = <T, W>({ items, ...rest }: Page<T>, render: (row: T) => W) => ({ ...rest, items: items.map(render) })

/** Chains and checkpoints as the wire shows them. */
export const makeAuditQueries = ({
  registry,
}: {
  registry: Pick<Registry, 'auditChainPages' | 'auditCheckpoints'>
}) => ({
  listAuditChains: async ({ limit = defaultLimit, ...query }: ListAuditChains): Promise<AuditChainPage> =>
    pageWith(await registry.auditChainPages.list({ ...query, limit }), ({ chain, began_at, closed_at }) => ({
      chain,
      began_at: toRfc3339(began_at),
      ...(closed_at === undefined ? {} : { closed_at: toRfc3339(closed_at) }),
    })),

  listAuditChainEvents: async (
    chain: string,
    { limit = defaultLimit, after, ...query }: ListAuditChainEvents,
  ): Promise<AuditChainEventPage> =>
    (await registry.auditChainPages.events({
      ...query,
      chain,
      limit,
      ...(after === undefined ? {} : { after: Date.parse(after) }),
    })) as AuditChainEventPage,

  listAuditCheckpoints: ({
    limit = defaultLimit,
    since,
    until,
    ...query
  }: ListAuditCheckpoints): Promise<AuditCheckpointPage> =>
    registry.auditCheckpoints.list({
      ...query,
      limit,
      since: since === undefined ? 0 : Date.parse(since),
      ...(until === undefined ? {} : { until: Date.parse(until) }),
    }),
})
