import { mayDo, type Permission, permissions } from '../../src/auth/permissions.ts'
import { principalTypes } from '../../src/core/principal.ts'
import { code, page, table } from './markdown.ts'
import { type Operation, readOpenApi } from './openapi.ts'

const meaning: Record<Permission, string> = {
  any: 'what every admitted caller may do',
  self: 'renew the own certificate, report about oneself',
  'principals:read': 'read principals',
  'principals:manage': 'create, change, suspend, activate and delete principals',
  'certs:read': 'read certificates of others',
  'certs:manage': 'issue certificates, revoke those of others, revoke many at once',
  'audit:read': 'read the audit log',
  'agents:read': 'see agents and whether they are there',
  'agents:command': 'send commands to agents',
  'tokens:manage': 'make and revoke join tokens and join rules',
  'authorities:read': 'read issuers and roots',
  'authorities:manage': 'rotate issuers',
}

/** `yes`, `no`, or what the right is limited to. */
const right = (operation: Operation, type: (typeof principalTypes)[number]): string => {
  const [permission = '', ...limits] = operation['x-permission'].split(', ')
  if (operation['x-principal-types']?.includes(type) === false) return '–'
  if (mayDo(type, permission as Permission)) return 'yes'
  return limits.some((limit) => limit.startsWith('or any')) ? 'own' : '–'
}

/** docs/permissions.md: the table that the hook reads, and what it gives for each route. */
export const permissionsPage = async (): Promise<string> => {
  const { routes: all } = await readOpenApi()
  const routes = all.filter(({ operation }) => operation['x-permission'] !== 'none')
  const open = all.filter((route) => !routes.includes(route))
  const known = new Set<string>(permissions)
  for (const { path, operation } of routes)
    if (!known.has(operation['x-permission'].split(',')[0] ?? '')) throw new Error(`${path} states no permission`)
  return page(
    'Permissions',
    'src/auth/permissions.ts and the routes',
    `A caller is what the registry says about its certificate, and may do what stands here for its type; everything else is
refused with [\`permission_denied\`](errors.md#permission_denied). One hook reads the table for every route; a route without a permission does not start.`,
    '## Types',
    table(
      ['permission', ...principalTypes, 'means'],
      permissions.map((permission) => [
        code(permission),
        ...principalTypes.map((type) => (mayDo(type, permission) ? 'yes' : '–')),
        meaning[permission],
      ]),
    ),
    '## Calls',
    '`own`: for certificates of the caller itself.',
    table(
      ['call', 'permission', ...principalTypes],
      [
        ...routes.map(({ method, path, operation }) => [
          code(`${method} ${path}`),
          code(operation['x-permission'].split(',')[0] ?? ''),
          ...principalTypes.map((type) => right(operation, type)),
        ]),
        [code('GET /openapi.json'), code('any'), ...principalTypes.map(() => 'yes')],
        ...open.map(({ method, path }) => [
          code(`${method} ${path}`),
          'none: whoever has a proof',
          ...principalTypes.map(() => '–'),
        ]),
      ],
    ),
    `Whatever the permission: nobody suspends, deletes or disarms the last admin ([\`last_admin\`](errors.md#last_admin)).`,
  )
}
