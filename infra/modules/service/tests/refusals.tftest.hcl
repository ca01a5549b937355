mock_provider "aws" {}

variables {
  application                     = "airunner"
  environment                     = "prod"
  hostname                        = "airunner-prod.example.com"
  image                           = "111122223333.dkr.ecr.us-east-1.amazonaws.com/airunner-prod:1.0.0"
  ecr_repository_arn              = "arn:aws:ecr:us-east-1:111122223333:repository/airunner-prod"
  vpc_id                          = "vpc-0123456789abcdef0"
  subnet_ids                      = ["subnet-00000000000000001", "subnet-00000000000000002"]
  load_balancer_security_group_id = "sg-0123456789abcdef0"
  proxy_cidrs                     = ["10.0.0.0/20", "2001:db8:0:1::/64"]
  target_groups = {
    mtls   = { port = 443, arn = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/airunner-prod-mtls/1" }
    health = { port = 8080, arn = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/airunner-prod-health/2" }
  }
  tables = {
    principals   = { name = "airunner_prod_principals", arn = "arn:aws:dynamodb:us-east-1:111122223333:table/airunner_prod_principals" }
    certificates = { name = "airunner_prod_certificates", arn = "arn:aws:dynamodb:us-east-1:111122223333:table/airunner_prod_certificates" }
    control      = { name = "airunner_prod_control", arn = "arn:aws:dynamodb:us-east-1:111122223333:table/airunner_prod_control" }
  }
  tables_key_arn  = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-00000000000a"
  secrets_key_arn = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-00000000000b"
  logs_key_arn    = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-00000000000c"
  issuer_key_arns = ["arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-00000000000d"]
  audit_key_arn   = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-00000000000e"

  store_epoch_parameter_arn = "arn:aws:ssm:us-east-1:111122223333:parameter/airunner/prod/store-epoch"
  parameter_prefix          = "/airunner/prod"
  parameter_arns = {
    ca-cert     = "arn:aws:ssm:us-east-1:111122223333:parameter/airunner/prod/ca-cert"
    server-cert = "arn:aws:ssm:us-east-1:111122223333:parameter/airunner/prod/server-cert"
    server-key  = "arn:aws:ssm:us-east-1:111122223333:parameter/airunner/prod/server-key"
    issuer-cert = "arn:aws:ssm:us-east-1:111122223333:parameter/airunner/prod/issuer-cert"
  }
  issuer_key_secret_arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:airunner/prod/issuer-key-AbCdEf"
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

run "refuses_a_hostname_without_a_domain" {
  command = plan
  variables {
    hostname = "localhost"
  }
  expect_failures = [var.hostname]
}

run "refuses_a_hostname_with_capitals" {
  command = plan
  variables {
    hostname = "Airunner.example.com"
  }
  expect_failures = [var.hostname]
}

run "refuses_the_image_latest" {
  command = plan
  variables {
    image = "example/airunner:latest"
  }
  expect_failures = [var.image]
}

run "refuses_an_image_without_a_tag" {
  command = plan
  variables {
    image = "example/airunner"
  }
  expect_failures = [var.image]
}

run "refuses_to_pull_from_every_repository" {
  command = plan
  variables {
    ecr_repository_arn = "*"
  }
  expect_failures = [var.ecr_repository_arn]
}

run "refuses_a_vpc_by_name" {
  command = plan
  variables {
    vpc_id = "main"
  }
  expect_failures = [var.vpc_id]
}

run "refuses_tasks_without_a_subnet" {
  command = plan
  variables {
    subnet_ids = []
  }
  expect_failures = [var.subnet_ids]
}

run "refuses_a_security_group_by_name" {
  command = plan
  variables {
    load_balancer_security_group_id = "default"
  }
  expect_failures = [var.load_balancer_security_group_id]
}

run "refuses_a_service_without_its_api" {
  command = plan
  variables {
    target_groups = { health = { port = 8080, arn = "arn" } }
  }
  expect_failures = [var.target_groups]
}

run "refuses_a_target_group_that_no_listener_serves" {
  command = plan
  variables {
    target_groups = { mtls = { port = 443, arn = "arn" }, health = { port = 8080, arn = "arn" }, metrics = { port = 9090, arn = "arn" } }
  }
  expect_failures = [var.target_groups]
}

run "refuses_to_believe_everybody" {
  command = plan
  variables {
    proxy_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.proxy_cidrs]
}

run "refuses_to_believe_nobody" {
  command = plan
  variables {
    proxy_cidrs = []
  }
  expect_failures = [var.proxy_cidrs]
}

run "refuses_a_way_out_with_host_bits" {
  command = plan
  variables {
    egress_cidrs = ["10.0.0.1/8"]
  }
  expect_failures = [var.egress_cidrs]
}

run "refuses_one_table_for_all" {
  command = plan
  variables {
    tables = {
      principals   = { name = "all", arn = "arn" }
      certificates = { name = "all", arn = "arn" }
      control      = { name = "all", arn = "arn" }
    }
  }
  expect_failures = [var.tables]
}

run "refuses_an_alias_for_the_tables_key" {
  command = plan
  variables {
    tables_key_arn = "alias/tables"
  }
  expect_failures = [var.tables_key_arn]
}

run "refuses_an_alias_for_the_secrets_key" {
  command = plan
  variables {
    secrets_key_arn = "alias/secrets"
  }
  expect_failures = [var.secrets_key_arn]
}

run "refuses_an_alias_for_the_logs_key" {
  command = plan
  variables {
    logs_key_arn = "alias/logs"
  }
  expect_failures = [var.logs_key_arn]
}

run "refuses_a_prefix_that_ends_with_a_slash" {
  command = plan
  variables {
    parameter_prefix = "/airunner/prod/"
  }
  expect_failures = [var.parameter_prefix]
}

run "refuses_parameters_that_lack_one" {
  command = plan
  variables {
    parameter_arns = { ca-cert = "arn", server-cert = "arn", server-key = "arn" }
  }
  expect_failures = [var.parameter_arns]
}

run "refuses_an_alias_for_the_issuers_key" {
  command = plan
  variables {
    issuer_key_arns = ["alias/issuer"]
  }
  expect_failures = [var.issuer_key_arns]
}

run "refuses_a_parameter_for_the_issuers_key" {
  command = plan
  variables {
    issuer_key_secret_arn = "/airunner/prod/issuer-key"
  }
  expect_failures = [var.issuer_key_secret_arn]
}

run "refuses_a_cpu_that_fargate_lacks" {
  command = plan
  variables {
    cpu = 300
  }
  expect_failures = [var.cpu]
}

run "refuses_memory_that_fargate_lacks_for_the_cpu" {
  command = plan
  variables {
    memory = 512
    cpu    = 1024
  }
  expect_failures = [var.memory]
}

run "refuses_an_unknown_processor" {
  command = plan
  variables {
    cpu_architecture = "arm64"
  }
  expect_failures = [var.cpu_architecture]
}

run "refuses_to_kill_a_server_that_drains" {
  command = plan
  variables {
    stop_timeout_seconds = 40
  }
  expect_failures = [var.stop_timeout_seconds]
}

run "refuses_a_stop_timeout_that_fargate_lacks" {
  command = plan
  variables {
    stop_timeout_seconds = 121
  }
  expect_failures = [var.stop_timeout_seconds]
}

run "refuses_half_a_task" {
  command = plan
  variables {
    min_tasks = 1.5
  }
  expect_failures = [var.min_tasks]
}

run "refuses_no_task_at_all" {
  command = plan
  variables {
    min_tasks = 0
  }
  expect_failures = [var.min_tasks]
}

run "refuses_fewer_tasks_at_most_than_at_least" {
  command = plan
  variables {
    max_tasks = 1
  }
  expect_failures = [var.max_tasks]
}

run "refuses_more_connections_than_a_process_takes" {
  command = plan
  variables {
    connections_per_process = 20000
  }
  expect_failures = [var.connections_per_process]
}

run "refuses_a_retention_that_cloudwatch_lacks" {
  command = plan
  variables {
    log_retention_days = 100
  }
  expect_failures = [var.log_retention_days]
}

run "refuses_an_alias_for_the_key_of_the_audit_log" {
  command = plan
  variables {
    audit_key_arn = "alias/audit"
  }
  expect_failures = [var.audit_key_arn]
}

run "refuses_another_parameter_as_memory" {
  command = plan
  variables {
    store_epoch_parameter_arn = "arn:aws:ssm:us-east-1:111122223333:parameter/airunner/prod/server-key"
  }
  expect_failures = [var.store_epoch_parameter_arn]
}

run "refuses_a_lock_of_another_mode" {
  command = plan
  variables {
    audit_lock_mode = "compliance"
  }
  expect_failures = [var.audit_lock_mode]
}

run "refuses_names_of_buckets_as_their_arns" {
  command = plan
  variables {
    audit_bucket      = { name = "proof", arn = "proof" }
    truststore_bucket = { name = "trust", arn = "trust" }
  }
  expect_failures = [var.audit_bucket, var.truststore_bucket]
}
