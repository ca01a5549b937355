import { globSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type Block, plainString, readHcl } from './hcl.ts'

const root = resolve(import.meta.dirname, '../..')

export interface Input {
  name: string
  type: string
  description: string
  /** As it is written; undefined of a required one. */
  default: string | undefined
  validations: number
}

export interface Output {
  name: string
  description: string
}

/** Folders of infra/ that hold a module, the root module and the examples among them. */
export const moduleFolders = (): string[] =>
  [...new Set(globSync('infra/**/*.tf', { cwd: root, exclude: ['**/.terraform/**'] }).map(dirname))].sort()

/** All blocks of a module, file by file. */
export const blocksOf = (folder: string): Block[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.tf'))
    .sort()
    .flatMap((name) => readHcl(readFileSync(join(root, folder, name), 'utf8'), `${folder}/${name}`))

const described = (folder: string, block: Block): { name: string; description: string } => {
  const name = block.labels[0] ?? ''
  const description = plainString(block.attributes.get('description'))
  if (!description)
    throw new Error(`${folder}: ${block.kind} ${name} has no description, or one that is no plain string`)
  return { name, description }
}

/** The variables of a module, required ones first. */
export const inputsOf = (folder: string): Input[] =>
  blocksOf(folder)
    .filter(({ kind }) => kind === 'variable')
    .map((block) => {
      const { name, description } = described(folder, block)
      const type = block.attributes.get('type')
      if (type === undefined) throw new Error(`${folder}: variable ${name} has no type`)
      const validations = block.blocks.filter(({ kind }) => kind === 'validation').length
      return { name, description, type, default: block.attributes.get('default'), validations }
    })
    .sort((a, b) => Number(a.default !== undefined) - Number(b.default !== undefined))

export const outputsOf = (folder: string): Output[] =>
  blocksOf(folder)
    .filter(({ kind }) => kind === 'output')
    .map((block) => described(folder, block))
