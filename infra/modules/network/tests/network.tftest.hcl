mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d"] }
  }
  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_subnet" {
    defaults = { cidr_block = "172.16.0.0/24", ipv6_cidr_block = "2001:db8:1::/64" }
  }
  mock_resource "aws_vpc" {
    defaults = { ipv6_cidr_block = "2001:db8::/56" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:mocked" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/mocked" }
  }
}

variables {
  application  = "airunner"
  environment  = "prod"
  logs_key_arn = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
}

run "a_subnet_of_each_kind_in_each_of_three_zones" {
  assert {
    condition = alltrue([
      for subnets in [aws_subnet.public, aws_subnet.application, aws_subnet.data] :
      toset([for subnet in subnets : subnet.availability_zone]) == toset(["us-east-1a", "us-east-1b", "us-east-1c"])
    ])
    error_message = "A kind of subnet is not in every zone."
  }
  assert {
    condition = length(distinct(flatten([
      for subnets in [aws_subnet.public, aws_subnet.application, aws_subnet.data] : [for subnet in subnets : subnet.cidr_block]
    ]))) == 9
    error_message = "Two subnets have the same addresses."
  }
  assert {
    condition = (
      length(output.public_subnet_ids) == 3 && length(output.application_subnet_ids) == 3 && length(output.data_subnet_ids) == 3
    )
    error_message = "An output does not name three subnets."
  }
}

run "data_subnets_have_no_way_out" {
  assert {
    condition     = alltrue([for association in aws_route_table_association.data : association.route_table_id == aws_route_table.data[0].id])
    error_message = "A data subnet has another route table."
  }
  assert {
    condition = alltrue([
      for route in concat([aws_route.public_ipv4[0], aws_route.public_ipv6[0]], values(aws_route.application)) :
      route.route_table_id != aws_route_table.data[0].id
    ])
    error_message = "The data subnets' table has a route."
  }
  assert {
    condition = alltrue([
      for endpoint in aws_vpc_endpoint.gateway : !contains(endpoint.route_table_ids, aws_route_table.data[0].id)
    ])
    error_message = "A gateway endpoint adds a route to the data subnets."
  }
}

run "nothing_gets_a_public_address_by_itself" {
  assert {
    condition = alltrue(flatten([
      for subnets in [aws_subnet.public, aws_subnet.application, aws_subnet.data] : [
        for subnet in subnets : subnet.map_public_ip_on_launch != true && subnet.assign_ipv6_address_on_creation != true
      ]
    ]))
    error_message = "A subnet gives public addresses to whatever starts in it."
  }
  assert {
    condition     = length(try(aws_default_security_group.closed[0].ingress, [])) == 0 && length(try(aws_default_security_group.closed[0].egress, [])) == 0
    error_message = "The default security group lets something through."
  }
}

run "public_subnets_are_dual_stack" {
  assert {
    condition     = sort(output.public_subnet_cidrs) == sort(["10.0.0.0/20", "10.0.16.0/20", "10.0.32.0/20", "2001:db8::/64", "2001:db8:0:1::/64", "2001:db8:0:2::/64"])
    error_message = "public_subnet_cidrs does not hold the IPv4 and IPv6 addresses of the balancer's subnets."
  }
}

run "every_zone_has_its_own_nat_gateway" {
  assert {
    condition     = length(aws_nat_gateway.this) == 3 && length(aws_route.application) == 3
    error_message = "A zone depends on another one to go out."
  }
}

run "one_nat_gateway_serves_all_zones" {
  variables {
    nat_gateways = 1
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.application) == 3 && length(distinct([for route in aws_route.application : route.nat_gateway_id])) == 1
    error_message = "Not every zone goes out through the one gateway."
  }
}

run "without_nat_aws_alone_is_reached" {
  variables {
    nat_gateways = 0
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_eip.nat) == 0 && length(aws_route.application) == 0
    error_message = "There is a way out of the application subnets."
  }
  assert {
    condition = alltrue([
      for service in ["ssm", "secretsmanager", "ecr.api", "ecr.dkr", "logs", "kms", "sts"] :
      contains(keys(aws_vpc_endpoint.interface), service) && try(aws_vpc_endpoint.interface[service].private_dns_enabled, false)
    ])
    error_message = "A service that a task needs to start is not reached."
  }
  assert {
    condition     = toset(keys(aws_vpc_endpoint.gateway)) == toset(["dynamodb", "s3"])
    error_message = "The registry or the layers of the image are not reached."
  }
}

run "endpoints_let_no_other_account_through" {
  assert {
    condition = alltrue(flatten([
      for endpoint in concat(values(aws_vpc_endpoint.gateway), values(aws_vpc_endpoint.interface)) : [
        for statement in jsondecode(endpoint.policy).Statement :
        try(statement.Condition.StringEquals["aws:PrincipalAccount"] == "111122223333", false)
        || statement.Action == "sts:GetCallerIdentity"
        || statement.Action == "s3:GetObject" && startswith(statement.Resource, "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/")
      ]
    ]))
    error_message = "An endpoint serves another account with more than identities and layers of images."
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.endpoints : rule.from_port == 443 && rule.to_port == 443 && rule.cidr_ipv4 != "0.0.0.0/0"])
    error_message = "The endpoints listen to more than the application subnets, or on more than 443."
  }
}

run "flow_logs_are_encrypted_and_kept" {
  assert {
    condition     = aws_cloudwatch_log_group.flow[0].kms_key_id == var.logs_key_arn && aws_cloudwatch_log_group.flow[0].retention_in_days == 365
    error_message = "Flow logs are not encrypted with the customer's key, or not kept for a year."
  }
  assert {
    condition     = aws_flow_log.this[0].traffic_type == "ALL" && aws_flow_log.this[0].vpc_id == aws_vpc.this[0].id
    error_message = "Not all traffic of the VPC is logged."
  }
}

run "an_existing_vpc_is_left_as_it_is" {
  variables {
    existing = {
      vpc_id                 = "vpc-0123456789abcdef0"
      public_subnet_ids      = ["subnet-0000000000000000a", "subnet-0000000000000000b"]
      application_subnet_ids = ["subnet-0000000000000000c", "subnet-0000000000000000d"]
    }
  }
  assert {
    condition = 0 == sum([
      length(aws_vpc.this), length(aws_subnet.public), length(aws_subnet.application), length(aws_subnet.data), length(aws_route_table.public),
      length(aws_route_table.application), length(aws_nat_gateway.this), length(aws_internet_gateway.this), length(aws_flow_log.this),
      length(aws_vpc_endpoint.gateway), length(aws_vpc_endpoint.interface), length(aws_security_group.endpoints), length(aws_default_security_group.closed),
    ])
    error_message = "Something is made in a VPC that is not ours."
  }
  assert {
    condition     = output.vpc_id == "vpc-0123456789abcdef0" && output.application_subnet_ids == tolist(["subnet-0000000000000000c", "subnet-0000000000000000d"])
    error_message = "The outputs do not name the existing VPC."
  }
  assert {
    condition     = contains(output.public_subnet_cidrs, "2001:db8:1::/64") && contains(output.public_subnet_cidrs, "172.16.0.0/24")
    error_message = "The balancer's addresses in the existing VPC are not known."
  }
  assert {
    condition     = output.endpoints_security_group_id == null && length(output.data_subnet_ids) == 0
    error_message = "Outputs promise what was not made."
  }
}

run "ipv6_can_be_left_out" {
  variables {
    ip_address_type = "ipv4"
  }
  assert {
    condition     = !aws_vpc.this[0].assign_generated_ipv6_cidr_block && length(aws_route.public_ipv6) == 0
    error_message = "Something of IPv6 is left."
  }
  assert {
    condition     = output.public_subnet_cidrs == tolist(["10.0.0.0/20", "10.0.16.0/20", "10.0.32.0/20"])
    error_message = "The public subnets are not believed by their IPv4 addresses alone."
  }
}
