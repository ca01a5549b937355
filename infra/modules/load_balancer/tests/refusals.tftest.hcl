mock_provider "aws" {}

variables {
  application = "airunner"
  environment = "prod"
  vpc_id      = "vpc-0123456789abcdef0"
  subnet_ids  = ["subnet-00000000000000001", "subnet-00000000000000002"]
}

run "refuses_an_application_with_capitals" {
  command = plan
  variables {
    application = "Airunner"
  }
  expect_failures = [var.application]
}

run "refuses_a_name_that_ends_with_a_hyphen" {
  command = plan
  variables {
    application = "airunner-"
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

run "refuses_a_vpc_by_name" {
  command = plan
  variables {
    vpc_id = "main"
  }
  expect_failures = [var.vpc_id]
}

run "refuses_a_balancer_without_a_subnet" {
  command = plan
  variables {
    subnet_ids = []
  }
  expect_failures = [var.subnet_ids]
}

run "refuses_a_subnet_by_arn" {
  command = plan
  variables {
    subnet_ids = ["arn:aws:ec2:us-east-1:111122223333:subnet/subnet-1"]
  }
  expect_failures = [var.subnet_ids]
}

run "refuses_ipv6_alone" {
  command = plan
  variables {
    ip_address_type = "ipv6"
  }
  expect_failures = [var.ip_address_type]
}

run "refuses_an_api_that_nobody_reaches" {
  command = plan
  variables {
    client_cidrs = []
  }
  expect_failures = [var.client_cidrs]
}

run "refuses_clients_with_host_bits" {
  command = plan
  variables {
    client_cidrs = ["203.0.113.7/24"]
  }
  expect_failures = [var.client_cidrs]
}

run "refuses_clients_that_are_not_networks" {
  command = plan
  variables {
    client_cidrs = ["anywhere"]
  }
  expect_failures = [var.client_cidrs]
}

run "refuses_enrolling_networks_with_host_bits" {
  command = plan
  variables {
    enrollment_cidrs = ["203.0.113.7/24"]
  }
  expect_failures = [var.enrollment_cidrs]
}

run "refuses_enrolling_networks_that_are_not_networks" {
  command = plan
  variables {
    enrollment_cidrs = ["anywhere"]
  }
  expect_failures = [var.enrollment_cidrs]
}

run "refuses_monitors_with_host_bits" {
  command = plan
  variables {
    health_cidrs = ["203.0.113.7/24"]
  }
  expect_failures = [var.health_cidrs]
}

run "refuses_monitors_that_are_not_networks" {
  command = plan
  variables {
    health_cidrs = ["anywhere"]
  }
  expect_failures = [var.health_cidrs]
}

run "refuses_readers_of_pki_files_with_host_bits" {
  command = plan
  variables {
    pki_cidrs = ["203.0.113.7/24"]
  }
  expect_failures = [var.pki_cidrs]
}

run "refuses_readers_of_pki_files_that_are_not_networks" {
  command = plan
  variables {
    pki_cidrs = ["anywhere"]
  }
  expect_failures = [var.pki_cidrs]
}

run "refuses_names_too_long_for_target_groups" {
  command = plan
  variables {
    application = "airunner-control-pl"
    environment = "production"
  }
  expect_failures = [var.environment]
}
