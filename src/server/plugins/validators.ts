import { createRequire } from 'node:module'
import type { FastifySchemaCompiler, FastifyServerOptions } from 'fastify'
import { ajvOptions, noParameters } from './validation.ts'

type Validator = ReturnType<FastifySchemaCompiler<unknown>>
interface HeadersSchema {
  properties?: Record<string, unknown>
  required?: string[]
}
type Compile = (part: { schema: unknown }) => Validator

/** What the framework would build its validators with; not loaded before one is needed. */
const loadCompiler = (): Compile => createRequire(import.meta.url)('@fastify/ajv-compiler')()({}, ajvOptions) as Compile

/** Headers arrive with their names in lower case, whatever case a schema documents them in. */
const inLowerCase = ({ properties = {}, required = [], ...rest }: HeadersSchema): HeadersSchema => ({
  ...rest,
  properties: Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name.toLowerCase(), schema])),
  required: required.map((name) => name.toLowerCase()),
})

const isEmpty = (data: object): boolean => {
  for (const _ in data) return false
  return true
}

/**
 * Validators that are built when they are needed: all of them, with what builds them, are a fifth of a start.
 * `warm` builds them ahead, one by one; it throws what a schema that makes no sense makes the builder throw.
 */
export const makeValidators = () => {
  let compiler: Compile | undefined
  const waiting = new Set<() => void>()

  const compile: FastifySchemaCompiler<unknown> = ({ schema, httpPart }) => {
    let built: Validator | undefined
    const build = (): Validator => {
      compiler ??= loadCompiler()
      waiting.delete(warm)
      built = compiler({ schema: httpPart === 'headers' ? inLowerCase(schema as HeadersSchema) : schema })
      return built
    }
    const warm = () => void (built ?? build())
    waiting.add(warm)
    const validate: Validator = (data: unknown) => {
      if (schema === noParameters && isEmpty(data as object)) return true
      const good = (built ?? build())(data)
      validate.errors = built?.errors ?? null
      return good
    }
    return validate
  }

  return {
    controller: {
      // Documents are built by hand, field by field, so there is nothing to filter out.
      compilersFactory: { buildValidator: () => compile, buildSerializer: () => () => JSON.stringify },
    } as unknown as NonNullable<FastifyServerOptions['schemaController']>,
    /** With turns of the event loop in between. */
    warm: async (): Promise<void> => {
      for (const build of waiting) {
        await new Promise(setImmediate)
        build()
      }
    },
  }
}
