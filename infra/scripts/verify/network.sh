# The network: what infra/modules/network makes. Of a VPC that the deployment was given, nothing is promised.
# shellcheck shell=bash disable=SC2154,SC2034 # verify.sh sets and uses what is not of this file

network_ask_3() {
  answered target-groups || return 0
  local vpc
  vpc=$(column target-groups 12)
  ask vpc ec2 describe-vpcs --vpc-ids "$vpc" --query "Vpcs[].[VpcId, Tags[?Key=='Name'].Value | [0]]"
  ask flow-logs ec2 describe-flow-logs --filter "Name=resource-id,Values=$vpc" --query 'FlowLogs[].[FlowLogStatus, TrafficType]'
  ask endpoints ec2 describe-vpc-endpoints --filters "Name=vpc-id,Values=$vpc" --query 'VpcEndpoints[].[ServiceName, State]'
  ask subnets ec2 describe-subnets --filters "Name=vpc-id,Values=$vpc" \
    --query "Subnets[].[SubnetId, AvailabilityZone, Tags[?Key=='Name'].Value | [0], to_string(MapPublicIpOnLaunch)]"
  ask routes ec2 describe-route-tables --filters "Name=vpc-id,Values=$vpc" --query "RouteTables[].[
    Tags[?Key=='Name'].Value | [0], join(' ', Associations[].SubnetId || \`[]\`),
    join(' ', Routes[].[GatewayId || NatGatewayId || TransitGatewayId || VpcPeeringConnectionId || NetworkInterfaceId || EgressOnlyInternetGatewayId || 'other'][])]"
}

# in_own_vpc NAME KEY...   as `promise`, where the deployment has made its VPC.
in_own_vpc() {
  promise "$1" vpc || return 1
  if [ "$(column vpc 2)" != "$prefix" ]; then
    report '--' "$(column vpc 1) is not of this deployment" '' ''
    return 1
  fi
  promise "$@"
}

# endpoints_for NAME SERVICE...
endpoints_for() {
  local title=$1 service state
  shift
  in_own_vpc "$title" endpoints || return 0
  for service in "$@"; do
    state=$(row endpoints "com.amazonaws.$region.$service" | tr '[:upper:]' '[:lower:]')
    [ "$state" = available ] || wrong "$service is ${state:-not there}"
  done
  verdict "$*" 'available' 'apply infra/ again'
}

network_judge() {
  local tier zones table
  if in_own_vpc subnets-in-three-zones subnets; then
    for tier in public application data; do
      zones=$(said subnets | awk -F '\t' -v name="$prefix-$tier-" 'index($3, name) == 1 { print $2 }' | sort -u | grep -c .)
      [ "$zones" -ge 3 ] || wrong "$tier subnets are in $zones"
    done
    verdict 'public, application, data' 'each tier in 3 availability zones' 'apply infra/ again'
  fi
  if in_own_vpc no-public-addresses-by-default subnets; then
    wrongs=$(said subnets | awk -F '\t' '$4 != "false" { printf "%s%s", n++ ? "; " : "", $3 }')
    verdict 'in no subnet' 'no subnet gives public addresses' 'apply infra/ again'
  fi
  if in_own_vpc data-subnets-no-route-out subnets routes; then
    for table in $(said subnets | awk -F '\t' -v name="$prefix-data-" 'index($3, name) == 1 { print $1 }'); do
      zones=$(said routes | awk -F '\t' -v subnet="$table" 'index(" " $2 " ", " " subnet " ") { print $3 }')
      [ "$zones" = local ] || wrong "$table: ${zones:-the main route table}"
    done
    verdict 'local routes alone' 'nothing but the route within the VPC' 'apply infra/ again, and find out who added the route'
  fi
  if in_own_vpc network-flow-logs flow-logs; then
    said flow-logs | grep -qx 'ACTIVE	ALL' || wrong "$(said flow-logs | tr '\t\n' ' ;' | grep . || echo none)"
    verdict "all traffic, active" 'an active flow log of all traffic' 'apply infra/ again'
  fi
  endpoints_for gateway-endpoints-there dynamodb s3
  endpoints_for interface-endpoints-there ssm secretsmanager ecr.api ecr.dkr logs kms sts
}
