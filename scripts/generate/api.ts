import { errorCodes } from '../../src/core/errors.ts'
import { code, page, sentence, table } from './markdown.ts'
import { type Operation, type Route, readOpenApi, type Schema } from './openapi.ts'

const nameOf = (ref: string) => ref.split('/').at(-1) ?? ref
const link = (name: string) => `[${name}](#${name.toLowerCase()})`

/** A schema in a few words. */
const typeOf = (schema: Schema): string => {
  if (schema.$ref !== undefined) return link(nameOf(schema.$ref))
  if (schema.const !== undefined) return code(String(schema.const))
  if (schema.enum !== undefined) return schema.enum.map((value) => code(String(value))).join(', ')
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ')
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {})}`
  if (schema.type === 'object')
    return schema.maxProperties === undefined ? 'object' : `object of ≤ ${schema.maxProperties} pairs`
  if (schema.format === 'date-time') return 'time'
  const range = [
    schema.minimum === undefined ? '' : `≥ ${schema.minimum}`,
    schema.maximum === undefined ? '' : `≤ ${schema.maximum}`,
    schema.maxLength === undefined ? '' : `≤ ${schema.maxLength} characters`,
    schema.default === undefined ? '' : `default ${schema.default}`,
  ].filter((part) => part !== '')
  return [[schema.type ?? 'any'].flat().join(' or '), ...range].join(', ')
}

const aboutOf = (schema: Schema): string =>
  [sentence(schema.description ?? ''), schema.pattern === undefined ? '' : code(schema.pattern)]
    .filter((part) => part !== '')
    .join(' ')

const fieldsOf = (schema: Schema): string =>
  table(
    ['field', 'is', 'about'],
    Object.entries(schema.properties ?? {}).map(([name, field]) => [
      `${code(name)}${schema.required?.includes(name) ? '' : '?'}`,
      typeOf(field),
      aboutOf(field),
    ]),
  )

const bodyOf = (
  content: { content?: Record<string, { schema?: Schema }> } | undefined,
): [string, Schema] | undefined => {
  const [first] = Object.entries(content?.content ?? {})
  return first?.[1].schema === undefined ? undefined : [first[0], first[1].schema]
}

const codesOf = (operation: Operation): string[] => {
  const said = Object.values(operation.responses)
    .map(({ description }) => description)
    .join(' ')
  return errorCodes.filter((name) => said.includes(`\`${name}\``))
}
const codeLinks = (codes: string[]) => codes.map((name) => `[${code(name)}](errors.md#${name})`).join(', ')

const answersOf = (operation: Operation): string[] =>
  Object.entries(operation.responses)
    .filter(([status]) => Number(status) < 400)
    .map(([status, answer]) => {
      const body = bodyOf(answer)
      const what = body === undefined ? '' : body[1].properties === undefined ? `: ${typeOf(body[1])}` : ':'
      const media = body === undefined || body[0] === 'application/json' ? '' : ` (${code(body[0])})`
      const fields = body?.[1].properties === undefined ? '' : `\n\n${fieldsOf(body[1])}`
      return `**${status}** ${answer.description}${media}${what}${fields}`
    })

const operationOf = ({ method, path, operation }: Route, common: Set<string>): string[] => {
  const body = bodyOf(operation.requestBody)
  const types = operation['x-principal-types']
  const more = codesOf(operation).filter((name) => !common.has(name))
  return [
    `### ${method} ${path}`,
    `${sentence(operation.summary)} ${sentence(operation.description ?? '')}`.trim(),
    `Permission: ${code(operation['x-permission'])}${types === undefined ? '' : `, types ${types.join(', ')}`}.`,
    table(
      ['parameter', 'in', 'is', 'about'],
      (operation.parameters ?? []).map((parameter) => [
        `${code(parameter.name)}${parameter.required ? '' : '?'}`,
        parameter.in,
        typeOf(parameter.schema),
        aboutOf({ ...parameter.schema, description: parameter.description ?? parameter.schema.description ?? '' }),
      ]),
    ),
    body === undefined ? '' : 'Body:',
    body === undefined ? '' : body[1].properties === undefined ? typeOf(body[1]) : fieldsOf(body[1]),
    ...answersOf(operation),
    more.length === 0 ? '' : `Refusals: ${codeLinks(more)}.`,
  ].filter((part) => part !== '')
}

/** docs/api.md: the OpenAPI document as a page for people. */
export const apiPage = async (): Promise<string> => {
  const { document, routes } = await readOpenApi()
  const common = new Set(
    errorCodes.filter((name) => routes.every(({ operation }) => codesOf(operation).includes(name))),
  )
  const groups = document.tags
    .map((tag) => ({ tag, own: routes.filter(({ operation }) => operation.tags.includes(tag.name)) }))
    .filter(({ own }) => own.length > 0)
  return page(
    'HTTP API',
    'the routes of src/server and the schemas of src/wire',
    `${document.info.description ?? ''} JSON over HTTP/1.1 on the mTLS listener. Times are RFC 3339 UTC with milliseconds, durations whole
seconds. A \`?\` marks what may be absent. Unknown fields and parameters are refused. The same contract for programs is
[openapi.json](openapi.json); a running server answers it at \`GET /openapi.json\`. Who may call what at a glance: [permissions](permissions.md).`,
    `Every call can be refused with ${codeLinks([...common])}.`,
    groups
      .map(
        ({ tag, own }) =>
          `- ${tag.description ?? tag.name}: ${own.map(({ method, path }) => code(`${method} ${path}`)).join(', ')}`,
      )
      .join('\n'),
    ...groups.flatMap(({ tag, own }) => [
      `## ${tag.description ?? tag.name}`,
      ...own.flatMap((route) => operationOf(route, common)),
    ]),
    '## Records',
    ...Object.entries(document.components.schemas)
      .flatMap(([name, schema]) => [`### ${name}`, sentence(schema.description ?? ''), fieldsOf(schema)])
      .filter((part) => part !== ''),
  )
}
