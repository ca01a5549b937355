/**
 * What a second plan finds though nothing has changed: the emulator's own faults, by resource type and attribute, each with
 * its reason. Everything else fails the test, and so does an entry that is no longer needed.
 */
export const drift: Record<string, Record<string, string>> = {
  aws_cloudwatch_metric_alarm: Object.fromEntries(
    [
      'actions_enabled',
      'alarm_actions',
      'alarm_description',
      'dimensions',
      'ok_actions',
      'period',
      'statistic',
      'treat_missing_data',
    ].map((name) => [
      name,
      'DescribeAlarms in the CBOR protocol, which the provider speaks, leaves it out; the AWS CLI sees it',
    ]),
  ),
  aws_dynamodb_table: {
    point_in_time_recovery: 'DescribeContinuousBackups does not say for how many days',
  },
  aws_ecs_service: {
    availability_zone_rebalancing: 'DescribeServices leaves it out',
  },
  aws_flow_log: Object.fromEntries(
    ['deliver_cross_account_role', 'iam_role_arn', 'max_aggregation_interval', 'tags', 'tags_all'].map((name) => [
      name,
      'DescribeFlowLogs leaves it out',
    ]),
  ),
  aws_vpc_endpoint: Object.fromEntries(
    ['policy', 'private_dns_enabled', 'security_group_ids'].map((name) => [name, 'DescribeVpcEndpoints leaves it out']),
  ),
}

interface Change {
  address: string
  type: string
  change: { actions: string[]; before: Record<string, unknown> | null; after: Record<string, unknown> | null }
}

/** Differences that a plan (of `terraform show -json`) wants to make and that nobody has explained; explained ones are noted in `seen`. */
export const unexplained = (plan: { resource_changes?: Change[] }, seen: Set<string>): string[] => {
  const left: string[] = []
  for (const { address, type, change } of plan.resource_changes ?? []) {
    const { actions, before, after } = change
    if (actions.includes('no-op') || actions.includes('read')) continue
    if (before === null || after === null) {
      left.push(`${address}: ${actions.join()}`)
      continue
    }
    for (const [name, value] of Object.entries(after)) {
      if (JSON.stringify(before[name]) === JSON.stringify(value)) continue
      const known = drift[type]?.[name]
      if (known === undefined)
        left.push(`${address}.${name}: ${JSON.stringify(before[name])} to ${JSON.stringify(value)}`)
      else seen.add(`${type}.${name}`)
    }
  }
  return left
}

export const explained = (): string[] =>
  Object.entries(drift).flatMap(([type, names]) => Object.keys(names).map((name) => `${type}.${name}`))
