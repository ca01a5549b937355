import { readContexts, writeContexts } from '../context.ts'

/**
 * Adds a context for the plane, and makes it current when none is. One of that name that says something else stays.
 * @returns what to tell; undefined when it was there.
 */
export const addContext = async (
  env: Record<string, string | undefined>,
  name: string,
  entry: { server: string; cacert: string; client_cert: string; client_key: string },
): Promise<string | undefined> => {
  const file = await readContexts(env)
  const found = Object.hasOwn(file.contexts, name) ? file.contexts[name] : undefined
  if (found !== undefined) {
    const same = Object.entries(entry).every(([key, value]) => found[key as keyof typeof entry] === value)
    return same ? undefined : `The context ${name} says something else, and was left as it is.`
  }
  const current = file.current_context ?? name
  await writeContexts(env, { current_context: current, contexts: { ...file.contexts, [name]: entry } })
  return current === name
    ? `Added the context ${name}; it is the current one.`
    : `Added the context ${name}. \`airunner context use ${name}\` makes it the current one.`
}
