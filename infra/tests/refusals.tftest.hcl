# Each wrong value is refused by its own variable; several stand in one run, since every run plans the whole
# deployment. A validation that looks at another variable is judged only when that one is good.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  environment    = "prod"
  domain         = "example.com"
  admin_role_arn = "arn:aws:iam::111122223333:role/airunner-admin"
}

run "refuses_names_in_another_form" {
  command = plan
  variables {
    environment    = "pre-prod"
    domain         = "example.com."
    zone_id        = "example.com"
    admin_role_arn = "arn:aws:sts::111122223333:assumed-role/airunner-admin/me"
  }
  expect_failures = [var.environment, var.domain, var.zone_id, var.admin_role_arn]
}

run "refuses_an_application_with_capitals" {
  command = plan
  variables {
    application = "Airunner"
  }
  expect_failures = [var.application]
}

run "refuses_names_that_aws_or_certificates_cannot_hold" {
  command = plan
  variables {
    application = "airunner-control-pl"
    environment = "production"
    domain      = "internal"
  }
  expect_failures = [var.environment, var.domain]
}

run "refuses_networks_that_cannot_be_made" {
  command = plan
  variables {
    cidr               = "10.0.0.1/16"
    availability_zones = ["us-east-1a", "us-east-1b"]
    nat_gateways       = 2
    ip_address_type    = "ipv6"
    existing_network = {
      vpc_id                 = "main"
      public_subnet_ids      = ["subnet-00000000000000001", "subnet-00000000000000002"]
      application_subnet_ids = ["subnet-00000000000000003", "subnet-00000000000000004"]
    }
  }
  expect_failures = [var.cidr, var.availability_zones, var.nat_gateways, var.ip_address_type, var.existing_network]
}

run "refuses_networks_in_which_no_task_could_run" {
  command = plan
  variables {
    cidr                = "10.0.0.0/24"
    availability_zones  = ["us-east-1a", "us-east-1a", "us-east-1b"]
    nat_gateways        = 0
    interface_endpoints = false
    existing_network = {
      vpc_id                 = "vpc-0123456789abcdef0"
      public_subnet_ids      = ["subnet-00000000000000001"]
      application_subnet_ids = ["subnet-00000000000000003", "subnet-00000000000000004"]
    }
  }
  expect_failures = [var.cidr, var.availability_zones, var.nat_gateways, var.existing_network]
}

run "refuses_clients_that_are_not_networks" {
  command = plan
  variables {
    client_cidrs     = ["203.0.113.7/24"]
    enrollment_cidrs = ["203.0.113.7/24"]
    pki_cidrs        = ["anywhere"]
    health_cidrs     = ["2001:db8::1/32"]
  }
  expect_failures = [var.client_cidrs, var.enrollment_cidrs, var.pki_cidrs, var.health_cidrs]
}

run "refuses_an_api_that_nobody_reaches" {
  command = plan
  variables {
    client_cidrs = []
  }
  expect_failures = [var.client_cidrs]
}

run "refuses_tasks_that_fargate_lacks" {
  command = plan
  variables {
    image                   = "example/airunner:latest"
    cpu                     = 300
    cpu_architecture        = "arm64"
    stop_timeout_seconds    = 121
    min_tasks               = 0
    connections_per_process = 20000
    log_retention_days      = 100
  }
  expect_failures = [
    var.image, var.cpu, var.cpu_architecture, var.stop_timeout_seconds, var.min_tasks,
    var.connections_per_process, var.log_retention_days,
  ]
}

run "refuses_tasks_that_do_not_fit_together" {
  command = plan
  variables {
    image                = "example/airunner"
    cpu                  = 1024
    memory               = 512
    stop_timeout_seconds = 40
    min_tasks            = 3
    max_tasks            = 2
  }
  expect_failures = [var.image, var.memory, var.stop_timeout_seconds, var.max_tasks]
}

run "refuses_to_tell_or_trust_nobody_in_particular" {
  command = plan
  variables {
    alarm_email              = "oncall"
    github_repository        = "example/*"
    github_environments      = []
    github_oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/example.com"
  }
  expect_failures = [var.alarm_email, var.github_repository, var.github_environments, var.github_oidc_provider_arn]
}

run "refuses_proofs_and_issuers_that_cannot_be" {
  command = plan
  variables {
    issuer_keys     = []
    audit_lock_mode = "FOREVER"
  }
  expect_failures = [var.issuer_keys, var.audit_lock_mode]
}
