mock_provider "aws" {}

variables {
  zone_id                = "Z0123456789ABCDEFGHIJ"
  name                   = "airunner-prod.example.com"
  load_balancer_dns_name = "airunner-prod-0123456789abcdef.elb.us-east-1.amazonaws.com"
  load_balancer_zone_id  = "Z26RNL4JYFTOTI"
}

run "the_name_leads_to_the_balancer_by_ipv4_and_ipv6" {
  assert {
    condition     = toset([for record in aws_route53_record.alias : record.type]) == toset(["A", "AAAA"])
    error_message = "A kind of address is missing."
  }
  assert {
    condition = alltrue([
      for record in aws_route53_record.alias :
      record.name == "airunner-prod.example.com" && record.alias[0].name == var.load_balancer_dns_name && record.alias[0].zone_id == "Z26RNL4JYFTOTI"
    ])
    error_message = "The name leads elsewhere."
  }
}

run "refuses_a_zone_by_path" {
  command = plan
  variables {
    zone_id = "/hostedzone/Z0123456789ABCDEFGHIJ"
  }
  expect_failures = [var.zone_id]
}

run "refuses_a_name_that_no_certificate_carries" {
  command = plan
  variables {
    name = "AIRunner.example.com."
  }
  expect_failures = [var.name]
}

run "refuses_a_balancer_without_a_name" {
  command = plan
  variables {
    load_balancer_dns_name = "balancer"
  }
  expect_failures = [var.load_balancer_dns_name]
}

run "refuses_a_balancer_by_arn" {
  command = plan
  variables {
    load_balancer_zone_id = "arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/net/x/1"
  }
  expect_failures = [var.load_balancer_zone_id]
}
