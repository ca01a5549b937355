import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { isMap, parseDocument } from 'yaml'
import { makePrivateDirectory, readIfThere, replaceFile } from '../authority/private-files.ts'
import type { Environment } from './config.ts'

/** Where one plane is reached and as whom, as `airunner` reads it; files by absolute path. */
export interface DevelopmentContext {
  server: string
  cacert: string
  client_cert: string
  client_key: string
}

const name = 'dev'

/** The CLI's file of contexts. @see XDG Base Directory Specification */
const contextPath = (env: Environment): string =>
  resolve(env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config'), 'airunner', 'config.yaml')

/**
 * Puts the context `dev` into the CLI's configuration, and makes it current when none was. Other contexts and comments
 * stay. @returns the file's path and whether `dev` is current; or why the file was left alone.
 */
export const writeDevelopmentContext = async (
  env: Environment,
  context: DevelopmentContext,
): Promise<{ path: string; current: boolean } | { path: string; problem: string }> => {
  const path = contextPath(env)
  const document = parseDocument((await readIfThere(path)) ?? '')
  const contexts = document.get('contexts')
  if (document.errors.length > 0 || (document.contents !== null && !isMap(document.contents)))
    return { path, problem: 'it is not a YAML map' }
  if (contexts !== undefined && contexts !== null && !isMap(contexts))
    return { path, problem: 'its contexts are not a map' }
  const before = document.toString()
  if (!isMap(contexts)) document.set('contexts', document.createNode({}))
  document.setIn(['contexts', name], { ...context })
  const current = document.get('current_context')
  if (current === undefined || current === null || current === '') document.set('current_context', name)
  if (document.toString() !== before) {
    await makePrivateDirectory(dirname(path))
    await replaceFile(path, document.toString())
  }
  return { path, current: document.get('current_context') === name }
}
