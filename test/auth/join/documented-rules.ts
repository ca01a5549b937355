import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import { Value } from 'typebox/value'
import { parse } from 'yaml'
import { attributesOf } from '../../../src/auth/join/oidc-claims.ts'
import { faultsOfRule } from '../../../src/auth/join/rule-faults.ts'
import type { JoinRuleRecord } from '../../../src/core/joining.ts'
import { CreateJoinRule, TestJoinRule } from '../../../src/wire/join-rules.ts'

for (const [page, rules, tests] of [
  ['joining-aws.md', 1, 1],
  ['joining-oidc.md', 3, 1],
] as const)
  t.test(`the rules of docs/${page} can be created as they stand there`, async (t) => {
    const text = readFileSync(resolve(import.meta.dirname, '../../../docs', page), 'utf8')
    const blocks = [...text.matchAll(/^ {4}method: .*\n(?: {4}.*\n)*/gm)].map(([block]) => parse(block))
    const asked = blocks.filter((block) => 'attributes' in block)
    const created = blocks.filter((block) => !('attributes' in block))
    t.equal(created.length, rules)
    t.equal(asked.length, tests)
    for (const rule of created) {
      t.same([...Value.Errors(CreateJoinRule, rule)], [], rule.principal_id_template)
      t.same(faultsOfRule({ rejoin: false, ...rule } as JoinRuleRecord), [])
    }
    for (const test of asked) {
      t.ok(Value.Check(TestJoinRule, test))
      t.ok(attributesOf(test.attributes))
    }
  })
