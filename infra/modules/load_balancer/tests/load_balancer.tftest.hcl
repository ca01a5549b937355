mock_provider "aws" {
  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/net/airunner-prod/0123456789abcdef" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/airunner-prod/0123456789abcdef" }
  }
}

variables {
  application = "airunner"
  environment = "prod"
  vpc_id      = "vpc-0123456789abcdef0"
  subnet_ids  = ["subnet-00000000000000001", "subnet-00000000000000002", "subnet-00000000000000003"]
}

run "listener_never_ends_tls" {
  variables {
    pki_enabled = true
  }
  assert {
    condition     = alltrue([for listener in aws_lb_listener.door : listener.protocol == "TCP" && listener.certificate_arn == null])
    error_message = "A listener ends TLS: the server would not see the client's certificate."
  }
  assert {
    condition     = alltrue([for group in aws_lb_target_group.door : group.protocol == "TCP"])
    error_message = "A target group speaks something else than TCP to the servers."
  }
  assert {
    condition     = aws_lb.this.load_balancer_type == "network"
    error_message = "Only a network balancer passes TLS through."
  }
}

run "every_listener_has_its_target_group_on_its_own_port" {
  variables {
    pki_enabled = true
  }
  assert {
    condition     = { for door, listener in aws_lb_listener.door : door => listener.port } == { mtls = 443, health = 8080, enroll = 8444, pki = 8081 }
    error_message = "The ports are not those of the contract."
  }
  assert {
    condition     = alltrue([for door, group in aws_lb_target_group.door : group.port == aws_lb_listener.door[door].port && group.target_type == "ip"])
    error_message = "A listener and its target group differ in their port, or targets are not addresses."
  }
}

run "enrolment_and_pki_are_closed_unless_asked_for" {
  variables {
    enrollment_enabled = false
  }
  assert {
    condition     = keys(aws_lb_listener.door) == ["health", "mtls"]
    error_message = "A listener is open that nobody asked for."
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.door : rule.from_port == 443])
    error_message = "A port other than 443 can be reached."
  }
}

run "client_address_comes_by_proxy_protocol" {
  variables {
    pki_enabled = true
  }
  assert {
    condition     = alltrue([for door in ["mtls", "enroll"] : aws_lb_target_group.door[door].proxy_protocol_v2])
    error_message = "The server would not learn who connects."
  }
  assert {
    condition     = alltrue([for door in ["health", "pki"] : !aws_lb_target_group.door[door].proxy_protocol_v2])
    error_message = "A plain HTTP listener is sent a PROXY header."
  }
  assert {
    condition     = alltrue([for group in aws_lb_target_group.door : group.preserve_client_ip == "false"])
    error_message = "Preserving addresses loses those of IPv6 clients."
  }
}

run "unhealthy_servers_get_no_connections" {
  assert {
    condition = alltrue([for group in aws_lb_target_group.door :
      group.health_check[0].protocol == "HTTP" && group.health_check[0].port == "8080" && group.health_check[0].path == "/health"
      && group.health_check[0].interval == 30 && group.health_check[0].healthy_threshold == 2 && group.health_check[0].unhealthy_threshold == 2
    ])
    error_message = "The health check is not GET /health on 8080, 2 of 2, every 30 seconds."
  }
}

run "draining_is_left_to_the_server" {
  assert {
    condition     = alltrue([for group in aws_lb_target_group.door : group.connection_termination == false && group.deregistration_delay == "30"])
    error_message = "The balancer would cut connections that the server ends one by one."
  }
}

run "reaches_ipv6_clients_and_survives_a_zone" {
  assert {
    condition     = aws_lb.this.ip_address_type == "dualstack" && aws_lb.this.enable_cross_zone_load_balancing && length(aws_lb.this.subnets) == 3
    error_message = "The balancer is not dual-stack, or a zone without tasks would answer nobody."
  }
}

run "cannot_be_deleted_by_mistake" {
  assert {
    condition     = aws_lb.this.enable_deletion_protection
    error_message = "The balancer may be deleted."
  }
}

run "lets_in_the_listed_networks_alone" {
  variables {
    client_cidrs     = ["203.0.113.0/24", "2001:db8::/32"]
    enrollment_cidrs = ["198.51.100.0/24"]
    health_cidrs     = []
  }
  assert {
    condition = toset([for rule in aws_vpc_security_group_ingress_rule.door : "${rule.from_port} ${coalesce(rule.cidr_ipv4, rule.cidr_ipv6)}"]) == toset([
      "443 203.0.113.0/24", "443 2001:db8::/32", "8444 198.51.100.0/24",
    ])
    error_message = "The rules of the security group are not the listed networks."
  }
}
