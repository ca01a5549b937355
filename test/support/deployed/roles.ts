import { type Aws, makeAws } from './run.ts'

export interface Session {
  accessKeyId: string
  env: Record<string, string>
  aws: Aws
}

/**
 * A session of a role, as ECS gets one. Whom the role trusts is changed for the moment in which it is taken, for the
 * emulator has no ECS that would take it; what the role may do is as it was applied.
 */
export const sessionOf = async (aws: Aws, env: Record<string, string>, role: string): Promise<Session> => {
  const name = role.split('/').at(-1) as string
  const { Role } = await aws('iam', 'get-role', '--role-name', name)
  const account = role.split(':')[4]
  const setTrust = (policy: object) =>
    aws('iam', 'update-assume-role-policy', '--role-name', name, '--policy-document', JSON.stringify(policy))
  await setTrust({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: 'sts:AssumeRole' }],
  })
  try {
    const { Credentials } = await aws('sts', 'assume-role', '--role-arn', role, '--role-session-name', 'task')
    const session = {
      ...env,
      AWS_ACCESS_KEY_ID: Credentials.AccessKeyId,
      AWS_SECRET_ACCESS_KEY: Credentials.SecretAccessKey,
      AWS_SESSION_TOKEN: Credentials.SessionToken,
    }
    return { accessKeyId: Credentials.AccessKeyId, env: session, aws: makeAws(session) }
  } finally {
    await setTrust(Role.AssumeRolePolicyDocument)
  }
}
