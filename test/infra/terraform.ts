import t from 'tap'
import { moduleFolders } from '../../scripts/generate/terraform-module.ts'
import { proveModules } from '../support/module-promises.ts'

await proveModules(
  t,
  moduleFolders().filter((folder) => folder !== 'infra'),
)
