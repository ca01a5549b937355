/** What docs/bootstrap.md says that commands of operators need in AWS, against the calls that are in their sources. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import { commandsIn, filesOf, transactionItemsIn } from '../support/source-calls.ts'

const page = readFileSync(resolve(import.meta.dirname, '../../docs/bootstrap.md'), 'utf8')
const rows = page
  .split('### Of other commands')[1]
  ?.split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.split('|').map((cell) => cell.trim()))

/** Actions of one service that the rows of a command name. */
const documented = (command: string, service: string): string[] => {
  let within = false
  const actions: string[] = []
  for (const [, name = '', action = ''] of rows ?? []) {
    if (name !== '') within = name.includes(command)
    if (within) actions.push(...[...action.matchAll(/`(\w+:\w+)`/g)].map(([, each]) => String(each)))
  }
  return [...new Set(actions)].filter((action) => action.startsWith(`${service}:`)).sort()
}

const short: Record<string, string> = { Get: 'GetItem', BatchGet: 'BatchGetItem', Put: 'PutItem', Update: 'UpdateItem' }
const actionsOf = (service: string, files: string[], leftOut: string[] = []): string[] => {
  const names = files.flatMap((file) => [...commandsIn(file), ...transactionItemsIn(file).map((kind) => `${kind}Item`)])
  return [...new Set(names.map((name) => `${service}:${short[name] ?? name}`))]
    .filter((action) => !/:TransactWrite/.test(action) && !leftOut.includes(action))
    .sort()
}

t.test('certificate generate --to-ssm', (t) => {
  t.strictSame(documented('--to-ssm', 'ssm'), actionsOf('ssm', ['src/cli/provision/parameters.ts']))
  t.end()
})

t.test('restore confirm', (t) => {
  const files = filesOf('src/cli/restore/run-confirm.ts')
  const ofTables = files.filter((file) => file.startsWith('src/store/') && file !== 'src/store/epoch-parameter.ts')
  // For tables of an emulator alone.
  const local = ['dynamodb:CreateTable', 'dynamodb:UpdateTimeToLive']
  t.strictSame(documented('restore confirm', 'dynamodb'), actionsOf('dynamodb', ofTables, local))
  t.strictSame(documented('restore confirm', 'ssm'), actionsOf('ssm', ['src/store/epoch-parameter.ts']))
  t.end()
})
