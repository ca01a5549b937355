import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { JoinRefused } from './proof.ts'

/** Who STS says has signed. */
export interface CallerIdentity {
  account_id: string
  arn: string
  user_id: string
  /** Of an assumed role, without its path, which STS does not tell. */
  role_name?: string
  session_name?: string
  /** Of an IAM user, without its path. */
  user_name?: string
}

const namespace = 'https://sts.amazonaws.com/doc/2011-06-15/'
// Every tag stays text; entities are not read, and a text that declares any does not come so far.
const parser = new XMLParser({
  processEntities: false,
  htmlEntities: false,
  ignoreAttributes: false,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: true,
  ignoreDeclaration: true,
  ignorePiTags: false,
})

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Well-formed, plain ASCII, no entity, no DOCTYPE, CDATA or comment, no instruction but the declaration in front. */
const readXml = (body: Buffer): Record<string, unknown> => {
  const text = body.toString('latin1')
  const isPlain = /^[\t\n\r\x20-\x7e]+$/.test(text) && !text.includes('<!') && !text.includes('&')
  if (!isPlain || text.indexOf('<?', 1) >= 0 || XMLValidator.validate(text) !== true)
    throw new JoinRefused('STS answered something that is not its plain XML')
  return parser.parse(text)
}

// Each ends where its kind of name ends: a `/` or `:` within a name would make another identity of it.
const account = '(?<account>\\d{12})'
const name = (group: string, most: number) => `(?<${group}>[A-Za-z0-9_+=,.@-]{1,${most}})`
const assumedRole = new RegExp(
  `^arn:(?<partition>aws[a-z-]*):sts::${account}:assumed-role/${name('role', 64)}/${name('session', 64)}$`,
)
const user = new RegExp(`^arn:(?<partition>aws[a-z-]*):iam::${account}:user/(?:[!-.0-~]{1,510}/)*${name('user', 64)}$`)
/** The unique id of the user, or of the role and then the name of the session. */
const userIdExpression = /^[A-Za-z0-9]{1,128}(?::(?<session>[A-Za-z0-9_+=,.@-]{1,64}))?$/

const readIdentity = (arn: string, accountId: string, userId: string, partition: string): CallerIdentity => {
  const role = assumedRole.exec(arn)?.groups
  const person = user.exec(arn)?.groups
  const found = role ?? person
  if (found === undefined) throw new JoinRefused('the caller is neither an assumed role nor a user of IAM')
  if (found['partition'] !== partition) throw new JoinRefused('the caller belongs to another partition of AWS')
  const id = userIdExpression.exec(userId)
  if (found['account'] !== accountId || id === null || id.groups?.['session'] !== role?.['session'])
    throw new JoinRefused('STS answered something that contradicts itself')
  return {
    account_id: accountId,
    arn,
    user_id: userId,
    ...(role === undefined ? {} : { role_name: role['role'] as string, session_name: role['session'] as string }),
    ...(person === undefined ? {} : { user_name: person['user'] as string }),
  }
}

/** Reads the answer of GetCallerIdentity as narrowly as it is written. Throws JoinRefused. */
export const readCallerIdentity = (body: Buffer, partition: string): CallerIdentity => {
  const { GetCallerIdentityResponse: response, ...others } = readXml(body)
  const result = isObject(response) ? response['GetCallerIdentityResult'] : undefined
  if (!isObject(response) || !isObject(result) || response['@_xmlns'] !== namespace || Object.keys(others).length > 0)
    throw new JoinRefused('STS answered something that is not the identity of a caller')
  const { Arn: arn, Account: accountId, UserId: userId } = result
  // What is there twice is a list, what has attributes or parts is an object: neither is the one text that was asked for.
  if (typeof arn !== 'string' || typeof accountId !== 'string' || typeof userId !== 'string')
    throw new JoinRefused('STS answered something that is not the identity of a caller')
  return readIdentity(arn, accountId, userId, partition)
}

/** The code in an error of STS, such as `SignatureDoesNotMatch`, for the audit. */
export const errorCodeOf = (body: Buffer): string | undefined =>
  /<Code>([A-Za-z.]{1,64})<\/Code>/.exec(body.toString('latin1'))?.[1]
