import t from 'tap'
import { proveModules } from '../support/module-promises.ts'

await proveModules(t, ['infra'])
