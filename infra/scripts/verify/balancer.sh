# The balancer: what infra/modules/load_balancer deploys. TLS must reach the server untouched, with the client's address.
# shellcheck shell=bash disable=SC2154,SC2034 # verify.sh sets and uses what is not of this file

balancer_ask_1() {
  ask balancer elbv2 describe-load-balancers --names "$prefix" --query "LoadBalancers[].[
    LoadBalancerArn, State.Code, Type, Scheme, IpAddressType, DNSName,
    join(' ', SecurityGroups || \`[]\`), join(' ', AvailabilityZones[].SubnetId)]"
}

balancer_ask_2() {
  answered balancer || return 0
  local arn
  arn=$(column balancer 1)
  ask listeners elbv2 describe-listeners --load-balancer-arn "$arn" \
    --query 'Listeners[].[to_string(Port), Protocol, DefaultActions[0].Type, DefaultActions[0].TargetGroupArn]'
  ask target-groups elbv2 describe-target-groups --load-balancer-arn "$arn" --query 'TargetGroups[].[
    to_string(Port), TargetGroupArn, Protocol, TargetType, HealthCheckProtocol, HealthCheckPort, HealthCheckPath,
    to_string(HealthyThresholdCount), to_string(UnhealthyThresholdCount), to_string(HealthCheckIntervalSeconds), Matcher.HttpCode, VpcId]'
  ask balancer-attributes elbv2 describe-load-balancer-attributes --load-balancer-arn "$arn" --query 'Attributes[].[Key, Value]'
}

balancer_ask_3() {
  answered target-groups || return 0
  local port
  for port in $(tls_ports); do
    ask "target-attributes-$port" elbv2 describe-target-group-attributes \
      --target-group-arn "$(row target-groups "$port" | cut -f 1)" --query 'Attributes[].[Key, Value]'
  done
  [ -z "$(row target-groups 443)" ] || ask targets elbv2 describe-target-health --target-group-arn "$(row target-groups 443 | cut -f 1)" \
    --query 'TargetHealthDescriptions[].[TargetHealth.State]'
}

# one_listener PORT   TCP, and on to the target group of the same port.
one_listener() {
  local row
  promise "listener-$1-tcp" listeners target-groups || return 0
  row=$(row listeners "$1")
  [ "$(cut -f 1,2 <<<"$row")" = "TCP	forward" ] || wrong "$(cut -f 1,2 <<<"${row:-none}" | tr '\t' ' ')"
  [ "$(cut -f 3 <<<"$row")" = "$(row target-groups "$1" | cut -f 1)" ] || wrong 'it leads to another target group'
  verdict "TCP, to the targets' $1" "TCP, forwarded to the target group of port $1" 'apply infra/ again'
}

# The ports behind which the server speaks TLS; 8444 and 8081 are there if they were wanted.
tls_ports() {
  said target-groups | cut -f 1 | grep -xE '443|8444' | sort -n
}

balancer_judge() {
  local port row keys
  if promise balancer-there balancer; then
    [ "$(column balancer 2)" = active ] || wrong "it is $(column balancer 2)"
    [ "$(column balancer 3)" = network ] || wrong "its type is $(column balancer 3)"
    [ -n "$(column balancer 7)" ] || wrong 'it has no security group'
    verdict "$(column balancer 6)" 'an active network load balancer with a security group' 'apply infra/ again'
  fi
  if promise balancer-dual-stack balancer; then
    equal "$(column balancer 5)" dualstack 'apply infra/ again with ip_address_type = "dualstack"; it needs subnets with IPv6'
  fi
  if promise balancer-deletion-protection balancer-attributes; then
    equal "$(row balancer-attributes deletion_protection.enabled)" true 'apply infra/ again with deletion_protection = true'
  fi
  one_listener 443
  one_listener 8080
  for port in 8444 8081; do
    ! said listeners | cut -f 1 | grep -qx "$port" || one_listener "$port"
  done
  if promise tls-is-never-ended-here listeners; then
    wrongs=$(said listeners | awk -F '\t' '$2 != "TCP" { printf "%s%s speaks %s", n++ ? "; " : "", $1, $2 }')
    verdict "every listener is TCP: $(said listeners | cut -f 1 | sort -n | tr '\n' ' ' | sed 's/ $//')" 'TCP: the server must see the certificate of its client' 'apply infra/ again'
  fi
  if promise target-group-443-health-check target-groups; then
    row=$(row target-groups 443)
    equal "$(cut -f 3-10 <<<"$row" | tr '\t' ' ')" 'ip HTTP 8080 /health 2 2 30 200' 'apply infra/ again: a task that drains must be found out'
  fi
  keys=$(tls_ports | sed 's/^/target-attributes-/')
  # shellcheck disable=SC2086 # a list of keys
  if promise proxy-protocol-on-tls-target-groups target-groups $keys; then
    for port in $(tls_ports); do
      [ "$(row "target-attributes-$port" proxy_protocol_v2.enabled)" = true ] || wrong "not on port $port"
    done
    verdict "PROXY v2 on $(tls_ports | tr '\n' ' ' | sed 's/ $//')" 'on 443 and 8444, as --proxy-protocol of the task expects' 'apply infra/ again: without it every connection is refused'
  fi
  # shellcheck disable=SC2086
  if promise client-ip-not-preserved target-groups $keys; then
    for port in $(tls_ports); do
      [ "$(row "target-attributes-$port" preserve_client_ip.enabled)" = false ] || wrong "it is on port $port"
    done
    verdict "off on $(tls_ports | tr '\n' ' ' | sed 's/ $//')" 'off: the header carries the address, of IPv6 too' 'apply infra/ again'
  fi
}
