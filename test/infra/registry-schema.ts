import t from 'tap'
import { type Block, plainString } from '../../scripts/generate/hcl.ts'
import { blocksOf } from '../../scripts/generate/terraform-module.ts'
import { tableDefinitions } from '../../src/store/schema.ts'

/** What both sides say about a table, in the words of CreateTable. */
const deployed = (table: Block) => {
  const text = (block: Block, name: string) => plainString(block.attributes.get(name))
  const inner = (kind: string) => table.blocks.filter((block) => block.kind === kind)
  const keys = (block: Block) =>
    [
      { AttributeName: text(block, 'hash_key'), KeyType: 'HASH' },
      { AttributeName: text(block, 'range_key'), KeyType: 'RANGE' },
    ].filter(({ AttributeName }) => AttributeName !== undefined)
  const indexes = inner('global_secondary_index').map((gsi) => ({
    IndexName: text(gsi, 'name'),
    KeySchema: keys(gsi),
    Projection: { ProjectionType: text(gsi, 'projection_type') },
  }))
  return {
    TableName: table.labels[1],
    BillingMode: text(table, 'billing_mode'),
    AttributeDefinitions: inner('attribute').map((attribute) => ({
      AttributeName: text(attribute, 'name'),
      AttributeType: text(attribute, 'type'),
    })),
    KeySchema: keys(table),
    ...(indexes.length === 0 ? {} : { GlobalSecondaryIndexes: indexes }),
  }
}

const tables = blocksOf('infra/modules/registry').filter(
  ({ kind, labels }) => kind === 'resource' && labels[0] === 'aws_dynamodb_table',
)

t.test('the deployed tables are those that the program creates for itself', async (t) => {
  const names = { principals: 'principals', certificates: 'certificates', control: 'control' }
  t.strictSame(tables.map(deployed), tableDefinitions(names))
})

t.test('DynamoDB deletes what `ttl` says, but never principals', async (t) => {
  for (const table of tables) {
    const ttl = table.blocks.find(({ kind }) => kind === 'ttl')?.attributes.get('attribute_name')
    t.equal(ttl, table.labels[1] === 'principals' ? undefined : '"ttl"', `${table.labels[1]}`)
  }
})
