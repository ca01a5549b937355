import type { CreateTableCommandInput } from '@aws-sdk/client-dynamodb'
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb'

/** Names of the deployment's tables; keys and indexes below are fixed. */
export interface Tables {
  principals: string
  certificates: string
  control: string
}

export const index = {
  principalsByStatus: 'GSI1',
  principalsByType: 'GSI2',
  certificatesByPrincipal: 'GSI1',
  certificatesByFingerprint: 'GSI2',
  certificatesByExpiry: 'GSI3',
} as const

/** Partition and sort keys of the control table: everything that is neither a principal nor a certificate. */
export const controlKey = {
  /** principal_id → latest certificate expiry (Unix ms) of every active admin. */
  admins: () => ({ pk: 'ADMINS', sk: 'ADMINS' }),
  /** Which principal a public key belongs to, and whether it was ever compromised. */
  key: (spkiSha256: string) => ({ pk: `KEY#${spkiSha256}`, sk: 'KEY' }),
  /** The kept answer of an Idempotency-Key. */
  answer: (key: string) => ({ pk: `ANSWER#${key}`, sk: 'ANSWER' }),
  /** Changes of rights, by hour, in order of time. */
  feed: (hour: string, id: string) => ({ pk: `FEED#${hour}`, sk: id }),
  audit: (day: string, shard: number, eventId: string) => ({ pk: `AUDIT#${day}#${shard}`, sk: eventId }),
  target: (target: string, eventId: string) => ({ pk: `TARGET#${target}`, sk: eventId }),
  /** Chains over audit events: those that are not done with, all that are kept, and their links by time (Unix ms). */
  openAuditChain: (chain: string) => ({ pk: 'AUDITCHAINS#OPEN', sk: chain }),
  auditChain: (chain: string) => ({ pk: 'AUDITCHAINS', sk: chain }),
  auditLink: (chain: string, at: number) => ({ pk: `AUDITLINKS#${chain}`, sk: String(at).padStart(15, '0') }),
  /** Signed checkpoints over all chains by time (Unix ms), and the newest. */
  auditCheckpoint: (at: number) => ({ pk: 'AUDITCHECKPOINTS', sk: String(at).padStart(15, '0') }),
  lastAuditCheckpoint: () => ({ pk: 'AUDITCHECKPOINTS#LAST', sk: 'LAST' }),
  /** From which CRLs are built; the shard is the serial's last octet, since its first ones are time. */
  crl: (issuerId: string, serialNumber: string) => ({
    pk: `CRL#${issuerId}#${serialNumber.slice(-2)}`,
    sk: serialNumber,
  }),
  /** What the newest list of each issuer is, and the octets of one build in chunks. */
  crlHead: (issuerId: string) => ({ pk: 'CRLS', sk: issuerId }),
  crlChunk: (issuerId: string, buildId: string, chunk: number) => ({
    pk: `CRLCHUNKS#${issuerId}`,
    sk: `${buildId}#${String(chunk).padStart(5, '0')}`,
  }),
  revocation: (id: string) => ({ pk: `REVOCATION#${id}`, sk: 'REVOCATION' }),
  /** Mass revocations that are not finished: what a server looks at to take over from one that crashed. */
  openRevocation: (id: string) => ({ pk: 'REVOCATIONS#OPEN', sk: id }),
  /** A join token by the SHA-256 of its secret, and where the secret's hash is found by the token's id. */
  joinToken: (secretSha256: string) => ({ pk: `JOINTOKEN#${secretSha256}`, sk: 'JOINTOKEN' }),
  joinTokenById: (id: string) => ({ pk: 'JOINTOKENS', sk: id }),
  /** All join rules, oldest first. */
  joinRule: (id: string) => ({ pk: 'JOINRULES', sk: id }),
  /** A proof that must not be used twice. */
  usedProof: (proofId: string) => ({ pk: `PROOF#${proofId}`, sk: 'PROOF' }),
  /** Principals to look at when their last certificate has ended, by the time (Unix ms) at which that is due. */
  departure: (dueAt: number, principalId: string) => ({
    pk: 'DEPARTURES',
    sk: `${String(dueAt).padStart(15, '0')}#${principalId}`,
  }),
  /** Which server does a piece of background work now. */
  lease: (work: string) => ({ pk: `LEASE#${work}`, sk: 'LEASE' }),
  /** Which root this deployment was given, and where its keys are. */
  bootstrap: () => ({ pk: 'BOOTSTRAP', sk: 'BOOTSTRAP' }),
  /** How far these tables have come, by which restored ones are told from them. */
  storeEpoch: () => ({ pk: 'STORE', sk: 'EPOCH' }),
  /** The agent of a principal: its streams, its last report, its open commands. */
  agent: (shard: number, principalId: string) => ({ pk: `AGENTS#${shard}`, sk: principalId }),
  command: (principalId: string, commandId: string) => ({ pk: `COMMANDS#${principalId}`, sk: commandId }),
  /** The issuers; beside them, which one signs. */
  authority: (issuerId: string) => ({ pk: 'AUTHORITIES', sk: issuerId }),
  /** Which roots a version of the trust bundle holds. */
  trust: (version: string) => ({ pk: 'TRUST', sk: version }),
  /** The leases of the running servers. */
  server: (serverId: string) => ({ pk: 'SERVERS', sk: serverId }),
} as const

export const auditShards = 8
/** Agents that come back together are written to so many partitions. */
export const agentShards = 8

const text = (name: string) => ({ AttributeName: name, AttributeType: 'S' as const })
const number = (name: string) => ({ AttributeName: name, AttributeType: 'N' as const })
const keys = (partition: string, sort?: string) => [
  { AttributeName: partition, KeyType: 'HASH' as const },
  ...(sort === undefined ? [] : [{ AttributeName: sort, KeyType: 'RANGE' as const }]),
]
const secondaryIndex = (name: string, partition: string, sort?: string) => ({
  IndexName: name,
  KeySchema: keys(partition, sort),
  Projection: { ProjectionType: 'ALL' as const },
})

/** The tables as `CreateTable` takes them; infra/modules/registry deploys the same. */
export const tableDefinitions = (tables: Tables): CreateTableCommandInput[] => [
  {
    TableName: tables.principals,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [text('principal_id'), text('status'), text('type'), number('created_at')],
    KeySchema: keys('principal_id'),
    GlobalSecondaryIndexes: [
      secondaryIndex(index.principalsByStatus, 'status', 'created_at'),
      secondaryIndex(index.principalsByType, 'type', 'created_at'),
    ],
  },
  {
    TableName: tables.certificates,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [
      text('serial_number'),
      text('principal_id'),
      number('issued_at'),
      text('fingerprint'),
      text('expiry_day'),
      number('expires_at'),
    ],
    KeySchema: keys('serial_number'),
    GlobalSecondaryIndexes: [
      secondaryIndex(index.certificatesByPrincipal, 'principal_id', 'issued_at'),
      secondaryIndex(index.certificatesByFingerprint, 'fingerprint'),
      secondaryIndex(index.certificatesByExpiry, 'expiry_day', 'expires_at'),
    ],
  },
  {
    TableName: tables.control,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [text('pk'), text('sk')],
    KeySchema: keys('pk', 'sk'),
  },
]

/** Creates the tables that are not there yet, and their TTL: for development, tests and `bootstrap --local`. */
export const createTables = async (client: DynamoDBDocumentClient, tables: Tables): Promise<void> => {
  // No server that runs makes tables, and none shall load this.
  const { CreateTableCommand, DescribeTableCommand, UpdateTimeToLiveCommand } = await import('@aws-sdk/client-dynamodb')
  for (const definition of tableDefinitions(tables)) {
    try {
      await client.send(new CreateTableCommand(definition))
    } catch (error) {
      if ((error as Error).name !== 'ResourceInUseException') throw error
      continue
    }
    for (let tries = 0; tries < 120; tries++) {
      const { Table } = await client.send(new DescribeTableCommand({ TableName: definition.TableName }))
      if (Table?.TableStatus === 'ACTIVE') break
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
    if (definition.TableName === tables.principals) continue
    await client.send(
      new UpdateTimeToLiveCommand({
        TableName: definition.TableName,
        TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
      }),
    )
  }
}
