mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["us-east-1a", "us-east-1b"] }
  }
}

variables {
  application        = "airunner"
  environment        = "prod"
  logs_key_arn       = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
  availability_zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
}

run "refuses_a_name_in_capitals" {
  command = plan
  variables {
    application = "AiRunner"
  }
  expect_failures = [var.application]
}

run "refuses_an_environment_with_a_hyphen" {
  command = plan
  variables {
    environment = "pre-prod"
  }
  expect_failures = [var.environment]
}

run "refuses_a_vpc_that_is_too_small" {
  command = plan
  variables {
    cidr = "10.0.0.0/24"
  }
  expect_failures = [var.cidr]
}

run "refuses_an_address_inside_the_network" {
  command = plan
  variables {
    cidr = "10.0.0.1/16"
  }
  expect_failures = [var.cidr]
}

run "refuses_two_availability_zones" {
  command = plan
  variables {
    availability_zones = ["us-east-1a", "us-east-1b"]
  }
  expect_failures = [var.availability_zones]
}

run "refuses_the_same_zone_twice" {
  command = plan
  variables {
    availability_zones = ["us-east-1a", "us-east-1b", "us-east-1b"]
  }
  expect_failures = [var.availability_zones]
}

run "refuses_a_region_of_two_zones" {
  command = plan
  variables {
    availability_zones = null
  }
  expect_failures = [aws_vpc.this]
}

run "refuses_two_nat_gateways" {
  command = plan
  variables {
    nat_gateways = 2
  }
  expect_failures = [var.nat_gateways]
}

run "refuses_tasks_with_no_way_to_aws" {
  command = plan
  variables {
    nat_gateways        = 0
    interface_endpoints = false
  }
  expect_failures = [var.nat_gateways]
}

run "refuses_a_retention_that_cloudwatch_does_not_know" {
  command = plan
  variables {
    flow_log_retention_days = 100
  }
  expect_failures = [var.flow_log_retention_days]
}

run "refuses_an_alias_for_a_key" {
  command = plan
  variables {
    logs_key_arn = "arn:aws:kms:us-east-1:111122223333:alias/logs"
  }
  expect_failures = [var.logs_key_arn]
}

run "refuses_an_existing_vpc_by_name" {
  command = plan
  variables {
    existing = { vpc_id = "main", public_subnet_ids = ["subnet-0000000a", "subnet-0000000b"], application_subnet_ids = ["subnet-0000000c", "subnet-0000000d"] }
  }
  expect_failures = [var.existing]
}

run "refuses_an_existing_vpc_with_one_subnet" {
  command = plan
  variables {
    existing = { vpc_id = "vpc-0123456789abcdef0", public_subnet_ids = ["subnet-0000000a"], application_subnet_ids = ["subnet-0000000c", "subnet-0000000d"] }
  }
  expect_failures = [var.existing]
}

run "refuses_ipv6_alone" {
  command = plan
  variables {
    ip_address_type = "ipv6"
  }
  expect_failures = [var.ip_address_type]
}
