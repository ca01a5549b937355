import { X509Certificate } from 'node:crypto'
import type { InputFault } from '../../core/errors.ts'
import { isPrincipalId } from '../../core/ids.ts'
import type { AwsIamCondition, OidcCondition } from '../../core/joining.ts'
import { readPem } from '../../pki/pem.ts'
import { isHttpsUrl } from './https-url.ts'
import { type RuleConditions, readTemplate } from './template.ts'

/** Attributes of an AWS identity that a principal_id can be made of. */
const awsNames = ['account_id', 'role_name', 'session_name']
/** Claims that every token of an issuer has in some form: they tell nobody apart. */
const claimsOfEveryToken = ['iss', 'aud', 'exp', 'nbf', 'iat', 'jti']
const publicMembers: Record<string, string[]> = { RSA: ['n', 'e'], EC: ['crv', 'x', 'y'], OKP: ['crv', 'x'] }
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

const globFaults = (pointer: string, glob: string): InputFault[] =>
  glob.includes('**') ? [{ pointer, detail: '** is no more than *: it crosses neither / nor :' }] : []

const awsFaults = (aws: AwsIamCondition): InputFault[] => {
  const faults: InputFault[] = []
  if (aws.account_ids.length === 0) faults.push({ pointer: '/aws_iam/account_ids', detail: 'must name an account' })
  for (const [index, account] of aws.account_ids.entries())
    if (!/^\d{12}$/.test(account))
      faults.push({ pointer: `/aws_iam/account_ids/${index}`, detail: 'must be the 12 digits of an account' })
  if (aws.role_names.length === 0) faults.push({ pointer: '/aws_iam/role_names', detail: 'must name a role' })
  for (const [index, name] of aws.role_names.entries()) {
    const pointer = `/aws_iam/role_names/${index}`
    faults.push(...globFaults(pointer, name))
    if (!/^[A-Za-z0-9_+=,.@*-]{1,64}$/.test(name))
      faults.push({ pointer, detail: 'must be the name of a role, without path and ARN; * stands for any part of it' })
  }
  return faults
}

const isPublicKey = (key: Record<string, unknown>): boolean => {
  const members = publicMembers[String(key['kty'])]
  return members?.every((name) => typeof key[name] === 'string') === true
}

const keyFaults = ({ jwks, jwks_url: url, ca_pem: ca }: OidcCondition): InputFault[] => {
  const faults: InputFault[] = []
  if (jwks !== undefined && (url !== undefined || ca !== undefined))
    faults.push({
      pointer: '/oidc/jwks',
      detail: 'nothing is asked for when the keys are given: no jwks_url, no ca_pem',
    })
  for (const [index, key] of (jwks?.keys ?? []).entries()) {
    const pointer = `/oidc/jwks/keys/${index}`
    if (privateMembers.some((name) => Object.hasOwn(key, name)))
      faults.push({ pointer, detail: 'must be a public key; this one holds a secret, which is now known here' })
    else if (!isPublicKey(key)) faults.push({ pointer, detail: 'must be a public key of type RSA, EC or OKP' })
  }
  if (jwks?.keys.length === 0) faults.push({ pointer: '/oidc/jwks/keys', detail: 'must hold a key' })
  if (url !== undefined && !isHttpsUrl(url, true))
    faults.push({ pointer: '/oidc/jwks_url', detail: 'must be an https URL without credentials and fragment' })
  if (ca !== undefined && !isBundle(ca)) faults.push({ pointer: '/oidc/ca_pem', detail: 'must be certificates, PEM' })
  return faults
}

const isBundle = (pem: string): boolean => {
  try {
    const blocks = readPem(pem)
    return blocks.length > 0 && blocks.every(({ label, der }) => label === 'CERTIFICATE' && new X509Certificate(der).ca)
  } catch {
    return false
  }
}

/** A name as part of a JSON pointer. @see RFC 6901 §3 */
const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')

const oidcFaults = (oidc: OidcCondition): InputFault[] => {
  const faults = keyFaults(oidc)
  if (!isHttpsUrl(oidc.issuer, false))
    faults.push({ pointer: '/oidc/issuer', detail: 'must be an https URL without credentials, query and fragment' })
  if (oidc.audiences.length === 0 || oidc.audiences.includes(''))
    faults.push({ pointer: '/oidc/audiences', detail: 'must name the audience that the token is asked for with' })
  for (const [name, condition] of Object.entries(oidc.claims)) {
    const pointer = `/oidc/claims/${escaped(name)}`
    if (claimsOfEveryToken.includes(name))
      faults.push({ pointer, detail: `${name} is checked by itself and tells nobody apart` })
    if (Object.keys(condition).length !== 1) faults.push({ pointer, detail: 'must have one of equals and glob' })
    if ('glob' in condition) faults.push(...globFaults(`${pointer}/glob`, condition.glob))
  }
  if (!Object.values(oidc.claims).some((condition) => 'equals' in condition && condition.equals !== ''))
    faults.push({ pointer: '/oidc/claims', detail: 'at least one claim must be exact: {"equals": …}' })
  return faults
}

const templateFaults = (rule: RuleConditions): InputFault[] => {
  const pointer = '/principal_id_template'
  const parts = readTemplate(rule.principal_id_template)
  if (parts === undefined) return [{ pointer, detail: 'names stand in braces: gha-{repository_id}-{run_id}' }]
  const names = parts.filter((_, index) => index % 2 === 1)
  const faults: InputFault[] = []
  if (
    !isPrincipalId(
      parts
        .map((part, index) => (index % 2 === 1 ? 'a' : part))
        .join('')
        .toLowerCase(),
    )
  )
    faults.push({ pointer, detail: 'cannot give a principal_id: a-z 0-9 . _ - and a letter or digit at both ends' })
  for (const name of rule.method === 'aws_iam' ? names : [])
    if (!awsNames.includes(name)) faults.push({ pointer, detail: `{${name}} is none of ${awsNames.join(', ')}` })
  if (names.includes('session_name') && rule.method === 'aws_iam') {
    if (rule.aws_iam?.trust_session_name !== true)
      faults.push({
        pointer,
        detail: '{session_name} needs trust_session_name: whoever assumes a role names the session',
      })
    if (rule.rejoin) faults.push({ pointer, detail: '{session_name} cannot stand in a rule with rejoin' })
  }
  if (rule.rejoin && parts.slice(2, -1).some((part, index) => index % 2 === 0 && part === ''))
    faults.push({ pointer, detail: 'with rejoin, something must stand between two names' })
  return faults
}

/** Why the rule cannot be had: what its schema cannot say. Empty when it can. */
export const faultsOfRule = (rule: RuleConditions): InputFault[] => {
  const { method, aws_iam: aws, oidc } = rule
  const faults = templateFaults(rule)
  for (const name of ['aws_iam', 'oidc'] as const)
    if ((rule[name] !== undefined) !== (name === method))
      faults.push({ pointer: `/${name}`, detail: name === method ? `required for ${method}` : `not with ${method}` })
  if (aws !== undefined) faults.push(...awsFaults(aws))
  if (oidc !== undefined) faults.push(...oidcFaults(oidc))
  return faults
}
