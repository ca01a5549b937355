import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

const file = 'infra/modules/service/task_role.tf'

export interface Grant {
  sid: string
  effect: 'Allow' | 'Deny'
  actions: string[]
  /** As written: `var.tables.control.arn`, `${var.tables.principals.arn}/index/GSI1`, `values(var.parameter_arns)`, `var.issuer_key_arns`. */
  resources: string[]
  condition: string | undefined
}

/** Every value of a list of strings or names, as written between its brackets. */
const listed = (text: string): string[] =>
  text
    .split(',')
    .map((each) => each.trim().replace(/^"(.*)"$/, '$1'))
    .filter((each) => each !== '')

/**
 * The statements of the task role's policy, read from Terraform's source, so that no Terraform is needed. Strict: what it
 * does not understand is an error, for a grant that nobody read would be one that nobody compared.
 */
const readStatements = (): Grant[] => {
  const source = readFileSync(resolve(import.meta.dirname, '../..', file), 'utf8').replace(/^\s*#.*$/gm, '')
  const list = source.match(/\n {2}task_statements = concat\(\n([\s\S]*?)\n {2}\)\n/)?.[1]
  if (list === undefined) throw new Error(`${file} has no local.task_statements = concat(…)`)
  const statements = [...list.matchAll(/\{\s*\n?\s*Sid\s*=[\s\S]*?(?=\{\s*\n?\s*Sid\s*=|$)/g)].map(([text]) => text)
  const grants = statements.map((text): Grant => {
    const sid = text.match(/Sid\s*=\s*"(\w+)"/)?.[1]
    const actions = text.match(/\bAction\s*=\s*\[([^\]]*)\]/)?.[1]
    const resources = text.match(/\bResource\s*=\s*(?:\[([^\]]*)\]|(values\([\w.]+\)|var\.\w+_arns\b))/)
    const effect = text.match(/Effect\s*=\s*"(Allow|Deny)"/)?.[1] as Grant['effect'] | undefined
    if (sid === undefined || effect === undefined || actions === undefined || resources === null)
      throw new Error(`${file}: a statement that is not understood:\n${text}`)
    return {
      sid,
      effect,
      actions: listed(actions),
      resources: resources[2] === undefined ? listed(resources[1] ?? '') : [resources[2]],
      condition: text.match(/\bCondition\s*=\s*(\{[\s\S]*)/)?.[1],
    }
  })
  const count = (pattern: RegExp) => [...source.matchAll(pattern)].length
  const named = grants.reduce((sum, { actions }) => sum + actions.length, 0)
  // One action is the role's trust policy: who may become it.
  if (count(/"(?!sts:AssumeRole")[a-z0-9-]+:[A-Z]\w*"(?!\s*=)/g) !== named)
    throw new Error(`${file} names actions outside of the statements that were read`)
  if (count(/\bSid\s*=/g) !== grants.length || /NotAction|NotResource/.test(source))
    throw new Error(`${file} says more than Effect, Action and Resource`)
  return grants
}

/** What the task role may do. */
export const readTaskRole = (): Grant[] => readStatements().filter(({ effect }) => effect === 'Allow')

/** What it may not do, whatever else says that it may. */
export const readTaskDenials = (): Grant[] => readStatements().filter(({ effect }) => effect === 'Deny')
