import type { AgentRecord, AgentReport, HeldStream, OpenCommand } from '../core/agent.ts'
import { sha256Hex } from '../core/bytes.ts'
import { ControlError } from '../core/errors.ts'
import { ttlOfCertificate } from './certificates.ts'
import type { Item, Store, TransactItem } from './client.ts'
import { updateOf } from './expression.ts'
import { decodePageToken, encodePageToken, type Page } from './pages.ts'
import { insist } from './persist.ts'
import { agentShards, controlKey } from './schema.ts'

const shardOf = (principalId: string): number => Number.parseInt(sha256Hex(principalId).slice(0, 2), 16) % agentShards
const keyOf = (principalId: string) => controlKey.agent(shardOf(principalId), principalId)

// Streams and open commands are attributes of their own, so that each is written without reading the others.
const streamAttribute = (serialNumber: string): string => `stream_${serialNumber}`
const commandAttribute = (commandId: string): string => `command_${commandId}`

const withPrefix = (item: Item, prefix: string): [string, Item][] =>
  Object.entries(item)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, value]) => [name.slice(prefix.length), value as Item])

const agentFromItem = (item: Item): AgentRecord => {
  const { sk, report, reported_at, disconnected_at, connected_at, serial_number, expires_at, remote_address } = item
  const known = { report, reported_at, disconnected_at, connected_at, serial_number, expires_at, remote_address }
  return {
    principal_id: String(sk),
    streams: withPrefix(item, 'stream_').map(([serial, value]) => ({
      ...(value as unknown as HeldStream),
      serial_number: serial,
    })),
    commands: withPrefix(item, 'command_')
      .map(([id, value]) => ({ ...(value as unknown as OpenCommand), command_id: id }))
      .sort((a, b) => (a.command_id < b.command_id ? -1 : 1)),
    ...Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)),
  }
}

/** A row is made by the first connection, report or command; one of commands alone is no agent yet. */
const hasBeenHere = (agent: AgentRecord): boolean => agent.connected_at !== undefined || agent.reported_at !== undefined

const rowsPerQuery = 250
/** What one page reads at most, so that a rare presence does not read the whole fleet at once. */
const rowsPerPage = 4000

export const makeAgents = (store: Store) => {
  const table = store.tables.control

  return {
    /** Strongly consistent. */
    get: async (principalId: string): Promise<AgentRecord | undefined> => {
      const item = await store.get({ TableName: table, Key: keyOf(principalId) })
      return item && agentFromItem(item)
    },

    /** Strongly consistent, at most 100; the order is not that of the question. */
    getMany: async (principalIds: string[]): Promise<AgentRecord[]> => {
      const found = await store.batchGet([{ table, keys: principalIds.map(keyOf) }])
      return (found.get(table) ?? []).map(agentFromItem)
    },

    /** Records a stream that begins, and gives the row as it was before. */
    connect: async (principalId: string, stream: HeldStream): Promise<AgentRecord> => {
      const { serial_number, connected_at, expires_at, remote_address } = stream
      const item = await insist(() =>
        store.update({
          ...updateOf({
            table,
            key: keyOf(principalId),
            set: {
              [streamAttribute(serial_number)]: stream,
              serial_number,
              connected_at,
              expires_at,
              remote_address,
              ttl: ttlOfCertificate(expires_at),
            },
          }),
          ReturnValues: 'ALL_OLD',
        }),
      )
      return item === undefined ? { principal_id: principalId, streams: [], commands: [] } : agentFromItem(item)
    },

    /** Records the end of a stream; nothing, when another of its certificate has begun meanwhile. */
    disconnect: async (
      principalId: string,
      stream: Pick<HeldStream, 'serial_number' | 'stream_id'>,
      at?: number,
    ): Promise<void> => {
      const name = streamAttribute(stream.serial_number)
      await insist(() =>
        store.update(
          updateOf({
            table,
            key: keyOf(principalId),
            set: { disconnected_at: at },
            remove: [name],
            condition: `#${name}.#stream_id = :stream_id`,
            values: { ':stream_id': stream.stream_id },
          }),
        ),
      )
    },

    /** Records that nothing is heard on a stream since a moment, or, without one, that something is again. */
    silence: async (
      principalId: string,
      stream: Pick<HeldStream, 'serial_number' | 'stream_id'>,
      since?: number,
    ): Promise<void> => {
      const name = streamAttribute(stream.serial_number)
      await insist(() =>
        store.update({
          TableName: table,
          Key: keyOf(principalId),
          UpdateExpression: since === undefined ? 'REMOVE #stream.#silent' : 'SET #stream.#silent = :since',
          ConditionExpression: '#stream.#id = :id',
          ExpressionAttributeNames: { '#stream': name, '#silent': 'silent_since', '#id': 'stream_id' },
          ExpressionAttributeValues: { ':id': stream.stream_id, ...(since === undefined ? {} : { ':since': since }) },
        }),
      )
    },

    report: async (principalId: string, report: AgentReport, at: number, expiresAt: number): Promise<void> => {
      const set = { report, reported_at: at, ttl: ttlOfCertificate(expiresAt) }
      await insist(() => store.update(updateOf({ table, key: keyOf(principalId), set })))
    },

    /** Keeps an open command with its agent, where the next connection finds it; drops `gone` from there. */
    keepCommand: (principalId: string, command: OpenCommand, ttl: number, gone: string[] = []): TransactItem => {
      const { command_id, ...rest } = command
      const names = Object.fromEntries(gone.map((id, i) => [`#gone${i}`, commandAttribute(id)]))
      const removal = gone.length === 0 ? '' : ` REMOVE ${Object.keys(names).join(', ')}`
      return {
        Update: {
          TableName: table,
          Key: keyOf(principalId),
          UpdateExpression: `SET #command = :command, #ttl = if_not_exists(#ttl, :ttl)${removal}`,
          ExpressionAttributeNames: { '#command': commandAttribute(command_id), '#ttl': 'ttl', ...names },
          ExpressionAttributeValues: { ':command': rest, ':ttl': ttl },
        },
      }
    },

    dropCommand: (principalId: string, commandId: string): TransactItem => ({
      Update: updateOf({ table, key: keyOf(principalId), remove: [commandAttribute(commandId)] }),
    }),

    /** Those that `wanted` takes, partition by partition; `filters` is what a page token is bound to. */
    list: async (query: {
      limit: number
      page_token?: string
      filters: Item
      wanted: (agent: AgentRecord) => boolean
    }): Promise<Page<AgentRecord>> => {
      const filters = { list: 'agents', ...query.filters }
      const position = query.page_token === undefined ? {} : decodePageToken(filters, query.page_token)
      let shard = Number(position['s'] ?? 0)
      let after = String(position['a'] ?? '')
      if (!Number.isInteger(shard) || shard < 0 || shard >= agentShards)
        throw new ControlError('invalid_request', 'page_token is not one that a list has given out')
      const items: AgentRecord[] = []
      let read = 0
      while (shard < agentShards) {
        const page = await store.query({
          TableName: table,
          KeyConditionExpression: after === '' ? '#pk = :pk' : '#pk = :pk AND #sk > :after',
          ExpressionAttributeNames: { '#pk': 'pk', ...(after === '' ? {} : { '#sk': 'sk' }) },
          ExpressionAttributeValues: {
            ':pk': controlKey.agent(shard, '').pk,
            ...(after === '' ? {} : { ':after': after }),
          },
          ConsistentRead: true,
          Limit: rowsPerQuery,
        })
        for (const item of page.Items ?? []) {
          const agent = agentFromItem(item)
          if (hasBeenHere(agent) && query.wanted(agent)) {
            if (items.length === query.limit)
              return { items, next_page_token: encodePageToken(filters, { s: shard, a: after }) }
            items.push(agent)
          }
          after = agent.principal_id
          read++
        }
        if (page.LastEvaluatedKey === undefined) {
          shard++
          after = ''
        }
        if (read >= rowsPerPage && shard < agentShards)
          return { items, next_page_token: encodePageToken(filters, { s: shard, a: after }) }
      }
      return { items }
    },
  }
}
export type Agents = ReturnType<typeof makeAgents>
