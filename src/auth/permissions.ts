import type { PrincipalType } from '../core/principal.ts'

/**
 * Everything that a route can ask for. `any` is given to each admitted caller, `self` to types that act for themselves;
 * the rest to admins, and what the table below says.
 */
export const permissions = [
  'any',
  'self',
  'principals:read',
  'principals:manage',
  'certs:read',
  'certs:manage',
  'audit:read',
  'agents:read',
  'agents:command',
  'tokens:manage',
  'authorities:read',
  'authorities:manage',
] as const
export type Permission = (typeof permissions)[number]

/** Who may do what: default deny, read by one hook on every route. */
export const permissionsOf = {
  admin: permissions,
  worker: ['any', 'self'],
  service: ['any', 'self'],
  user: ['any', 'self', 'principals:read', 'certs:read', 'agents:read'],
} as const satisfies Record<PrincipalType, readonly Permission[]>

export const mayDo = (type: PrincipalType, permission: Permission): boolean =>
  ((permissionsOf as Record<string, readonly Permission[]>)[type] ?? []).includes(permission)
