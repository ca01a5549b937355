mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:/airunner/prod/rpc-server" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/mocked" }
  }
  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:us-east-1:111122223333:task-definition/airunner-prod:1" }
  }
}

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

run "starts_exactly_the_contracts_command" {
  assert {
    condition = jsondecode(aws_ecs_task_definition.server.container_definitions)[0].command == [
      "rpc-server", "--mtls-listen", "0.0.0.0:443", "--health-listen", "0.0.0.0:8080", "--hostname", "airunner-prod.example.com",
      "--proxy-protocol", "10.0.0.0/20,2001:db8:0:1::/64",
    ]
    error_message = "The command is not that of the contract."
  }
}

run "opens_enrolment_and_pki_where_the_balancer_has_them" {
  variables {
    target_groups = {
      mtls   = { port = 443, arn = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/mtls/1" }
      health = { port = 8080, arn = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/health/2" }
      enroll = { port = 8444, arn = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/enroll/3" }
      pki    = { port = 8081, arn = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/pki/4" }
    }
  }
  assert {
    condition = slice(jsondecode(aws_ecs_task_definition.server.container_definitions)[0].command, 9, 15) == [
      "--enroll-listen", "0.0.0.0:8444", "--pki-listen", "0.0.0.0:8081", "--public-url", "http://airunner-prod.example.com:8081",
    ]
    error_message = "A listener that the balancer forwards to is not opened."
  }
  assert {
    condition = (
      [for mapping in jsondecode(aws_ecs_task_definition.server.container_definitions)[0].portMappings : mapping.containerPort] == [443, 8080, 8081, 8444] &&
      toset([for balancer in aws_ecs_service.server.load_balancer : balancer.container_port]) == toset([443, 8080, 8081, 8444])
    )
    error_message = "A port is not mapped, or its target group is not attached."
  }
}

run "finds_its_tables_keys_and_parameters" {
  assert {
    condition = { for variable in jsondecode(aws_ecs_task_definition.server.container_definitions)[0].environment : variable.name => variable.value } == {
      AWS_REGION                 = "us-east-1"
      AIRUNNER_PRINCIPAL_TABLE   = "airunner_prod_principals"
      AIRUNNER_CERT_TABLE        = "airunner_prod_certificates"
      AIRUNNER_CONTROL_TABLE     = "airunner_prod_control"
      AIRUNNER_SSM_PREFIX        = "/airunner/prod"
      AIRUNNER_ISSUER_KMS_KEY_ID = var.issuer_key_arns[0]
      AIRUNNER_AUDIT_KMS_KEY_ID  = var.audit_key_arn
    }
    error_message = "The environment is not that of the contract."
  }
  assert {
    condition = { for secret in jsondecode(aws_ecs_task_definition.server.container_definitions)[0].secrets : secret.name => secret.valueFrom } == {
      AIRUNNER_CA_CERT     = var.parameter_arns["ca-cert"]
      AIRUNNER_SERVER_CERT = var.parameter_arns["server-cert"]
      AIRUNNER_SERVER_KEY  = var.parameter_arns["server-key"]
      AIRUNNER_ISSUER_CERT = var.parameter_arns["issuer-cert"]
    }
    error_message = "The secrets are not those of the contract."
  }
}

run "takes_the_issuers_key_from_one_place" {
  variables {
    issuer_key_in_kms = false
  }
  assert {
    condition = (
      !strcontains(aws_ecs_task_definition.server.container_definitions, "AIRUNNER_ISSUER_KMS_KEY_ID") &&
      contains(jsondecode(aws_ecs_task_definition.server.container_definitions)[0].secrets, { name = "AIRUNNER_ISSUER_KEY", valueFrom = var.issuer_key_secret_arn })
    )
    error_message = "With both keys the server refuses to start, with none it issues nothing."
  }
  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : statement.Resource if contains(statement.Action, "kms:Sign")
    ] == [[var.audit_key_arn]]
    error_message = "The task may sign with a key that it does not use."
  }
}

run "task_role_has_no_wildcard" {
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement :
      alltrue([for text in concat(statement.Action, statement.Resource) : !strcontains(text, "*")])
    ])
    error_message = "The task role may more than it names."
  }
}

run "task_role_changes_nothing_but_rows" {
  assert {
    condition = length(setsubtract(flatten([for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : statement.Action]), [
      "dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem",
      "dynamodb:Query", "dynamodb:UpdateItem", "kms:Decrypt", "kms:GetPublicKey", "kms:Sign", "ssm:GetParameters", "ssm:PutParameter", "dynamodb:DescribeTable",
    ])) == 0
    error_message = "The task role may do what the program never does."
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement :
      statement.Resource == [var.tables.control.arn] if contains(statement.Action, "dynamodb:DeleteItem")
    ])
    error_message = "Principals or certificates can be deleted: the program only marks them."
  }
}

run "task_role_does_not_write_what_bootstrap_believes" {
  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : [toset(statement.Action), statement.Resource, statement.Condition]
      if statement.Effect == "Deny"
      ] == [[
        toset(["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]),
        [var.tables.control.arn],
        # Any, not all: a transaction writes many partitions.
        { "ForAnyValue:StringEquals" = { "dynamodb:LeadingKeys" = ["BOOTSTRAP", "LEASE#bootstrap"] } },
    ]]
    error_message = "A task could choose the root that the next bootstrap goes on with."
  }
}

run "task_role_reads_no_secret" {
  assert {
    condition     = !strcontains(aws_iam_role_policy.task.policy, "secretsmanager:")
    error_message = "The task can read secrets of Secrets Manager."
  }
}

run "task_role_decrypts_through_its_services_alone" {
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement :
      can(statement.Condition.StringEquals["kms:ViaService"]) if contains(statement.Action, "kms:Decrypt")
    ])
    error_message = "The task may decrypt what it was not given."
  }
}

run "signs_digests_with_p256_alone" {
  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement :
      [statement.Resource, statement.Condition.StringEquals] if contains(statement.Action, "kms:Sign")
      ] == [
      for key in [var.audit_key_arn, var.issuer_key_arns[0]] :
      [[key], { "kms:MessageType" = "DIGEST", "kms:SigningAlgorithm" = "ECDSA_SHA_256" }]
    ]
    error_message = "The task may sign otherwise than the program does."
  }
}

run "execution_role_reads_only_its_secrets" {
  variables {
    issuer_key_in_kms = false
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement :
      statement.Resource == ["*"] ? statement.Action == ["ecr:GetAuthorizationToken"] : alltrue([
        for resource in statement.Resource : !strcontains(trimsuffix(resource, ":log-stream:task/rpc-server/*"), "*")
      ])
    ])
    error_message = "The execution role may more than it names."
  }
  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement :
      statement.Resource if length(setintersection(statement.Action, ["ssm:GetParameters", "secretsmanager:GetSecretValue"])) > 0
    ])) == toset(concat(values(var.parameter_arns), [var.issuer_key_secret_arn]))
    error_message = "The execution role reads others than these four parameters and this secret."
  }
}

run "execution_role_reads_no_key_that_is_in_kms" {
  assert {
    condition     = !strcontains(aws_iam_role_policy.execution.policy, "secretsmanager:")
    error_message = "The execution role can read a secret that is not used."
  }
}

run "roles_are_taken_by_tasks_of_this_account_alone" {
  assert {
    condition = alltrue([
      for role in [aws_iam_role.task, aws_iam_role.execution] :
      [for statement in jsondecode(role.assume_role_policy).Statement : [statement.Principal, statement.Condition]] == [
        [{ Service = "ecs-tasks.amazonaws.com" }, { StringEquals = { "aws:SourceAccount" = "111122223333" } }]
      ]
    ])
    error_message = "Somebody else can take a role of the service."
  }
}

run "stop_timeout_outlives_the_drain" {
  assert {
    # Defaults of --drain-delay and --shutdown-grace; neither is in the command.
    condition     = jsondecode(aws_ecs_task_definition.server.container_definitions)[0].stopTimeout > 15 + 25
    error_message = "A server is killed while requests finish."
  }
}

run "desired_count_starts_at_zero" {
  assert {
    condition     = aws_ecs_service.server.desired_count == 0
    error_message = "Tasks start before their secrets exist."
  }
  assert {
    condition     = aws_appautoscaling_target.tasks[0].min_capacity == 0
    error_message = "Autoscaling starts tasks before their secrets exist."
  }
}

run "autoscaling_follows_cpu_and_connections" {
  variables {
    max_tasks = 9
  }
  assert {
    condition     = aws_appautoscaling_target.tasks[0].max_capacity == 9 && aws_appautoscaling_target.tasks[0].resource_id == "service/airunner-prod/rpc-server"
    error_message = "Autoscaling looks at another service, or beyond its limit."
  }
  assert {
    condition = (
      aws_appautoscaling_policy.cpu[0].target_tracking_scaling_policy_configuration[0].predefined_metric_specification[0].predefined_metric_type == "ECSServiceAverageCPUUtilization" &&
      aws_appautoscaling_policy.connections[0].target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metric_name ==
      aws_cloudwatch_log_metric_filter.vital_sign["Connections"].metric_transformation[0].name &&
      aws_appautoscaling_policy.connections[0].target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].namespace ==
      aws_cloudwatch_log_metric_filter.vital_sign["Connections"].metric_transformation[0].namespace
    )
    error_message = "Autoscaling does not follow CPU and the connections that servers report."
  }
}

run "autoscaling_can_be_left_out" {
  variables {
    autoscaling_enabled = false
  }
  assert {
    condition     = length(aws_appautoscaling_target.tasks) + length(aws_appautoscaling_policy.cpu) + length(aws_appautoscaling_policy.connections) == 0
    error_message = "Something of autoscaling is left."
  }
}

run "a_bad_version_is_taken_back" {
  assert {
    condition     = aws_ecs_service.server.deployment_circuit_breaker[0].enable && aws_ecs_service.server.deployment_circuit_breaker[0].rollback
    error_message = "A version that does not start stays."
  }
  assert {
    condition     = aws_ecs_service.server.deployment_minimum_healthy_percent == 100 && aws_ecs_task_definition.server.skip_destroy
    error_message = "Servers end before their successors are healthy, or there is nothing to go back to."
  }
}

run "container_has_nothing_to_write_to_and_no_rights" {
  assert {
    condition = alltrue([for container in jsondecode(aws_ecs_task_definition.server.container_definitions) :
      container.readonlyRootFilesystem && !container.privileged && container.user == "65532:65532" && container.mountPoints == [] &&
      container.linuxParameters.capabilities.drop == ["ALL"]
    ])
    error_message = "The container may more than it needs."
  }
  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.server.container_definitions)[0].systemControls, { namespace = "net.ipv4.ip_unprivileged_port_start", value = "0" })
    error_message = "A user other than root cannot open port 443."
  }
  assert {
    condition     = !aws_ecs_service.server.enable_execute_command && !aws_ecs_service.server.network_configuration[0].assign_public_ip
    error_message = "Somebody can get a shell in it, or reach it past the balancer."
  }
}

run "only_the_balancer_reaches_the_servers" {
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.from_balancer : rule.referenced_security_group_id == var.load_balancer_security_group_id])
    error_message = "Somebody else reaches the servers, and could claim any address by a PROXY header."
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.task_to_https : rule.from_port == 443 && rule.to_port == 443])
    error_message = "Servers may go elsewhere than to HTTPS."
  }
}

run "a_big_task_uses_all_its_cores" {
  variables {
    cpu    = 4096
    memory = 8192
  }
  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.server.container_definitions)[0].environment, { name = "AIRUNNER_WORKERS", value = "4" })
    error_message = "One process would use one core of four."
  }
}

run "logs_are_kept_encrypted_and_not_forever" {
  assert {
    condition     = aws_cloudwatch_log_group.server.retention_in_days == 365 && aws_cloudwatch_log_group.server.kms_key_id == var.logs_key_arn
    error_message = "The log is not encrypted, or never ends."
  }
}

run "metrics_are_made_from_events_that_the_server_writes" {
  assert {
    condition = toset([for filter in concat(values(aws_cloudwatch_log_metric_filter.event), values(aws_cloudwatch_log_metric_filter.vital_sign)) : filter.pattern]) == toset([
      for event in [
        "admission_denied", "admission_held", "audit_bucket_failed", "audit_checkpoint_failed", "join_refused", "request_failed",
        "secrets_refused", "trust_changed", "truststore_failed", "vitals",
      ] : "{ $.event = \"${event}\" }"
    ])
    error_message = "A metric is made from another event."
  }
}

run "reaches_the_keys_of_both_issuers_during_a_rotation" {
  variables {
    issuer_key_arns = ["arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-00000000000d", "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-00000000000f"]
  }
  assert {
    condition = contains(jsondecode(aws_ecs_task_definition.server.container_definitions)[0].environment, {
      name = "AIRUNNER_ISSUER_KMS_KEY_ID", value = join(",", var.issuer_key_arns)
    })
    error_message = "The server does not know of the new issuer's key."
  }
  assert {
    condition = contains([
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : join(",", statement.Resource) if contains(statement.Action, "kms:Sign")
    ], join(",", var.issuer_key_arns))
    error_message = "The server may not sign with the new issuer's key."
  }
}

run "writes_to_its_buckets_what_is_meant_for_them" {
  variables {
    truststore_bucket = { name = "trust", arn = "arn:aws:s3:::trust" }
    audit_bucket      = { name = "proof", arn = "arn:aws:s3:::proof" }
    audit_lock_mode   = "GOVERNANCE"
  }
  assert {
    condition     = slice(jsondecode(aws_ecs_task_definition.server.container_definitions)[0].command, 9, 15) == ["--truststore-bucket", "trust", "--audit-bucket", "proof", "--audit-lock-mode", "governance"]
    error_message = "The server does not know of its buckets."
  }
  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : join(" ", statement.Action) => statement.Resource
      if strcontains(join(" ", statement.Action), "s3:")
      } == {
      "s3:GetObject s3:PutObject"          = ["arn:aws:s3:::trust/truststore.pem"]
      "s3:PutObject s3:PutObjectRetention" = ["arn:aws:s3:::proof/audit-checkpoint.json"]
    }
    error_message = "The task may do other things with its buckets than the server does."
  }
}

run "touches_no_bucket_that_it_does_not_have" {
  assert {
    condition     = !strcontains(aws_iam_role_policy.task.policy, "s3:")
    error_message = "The task has rights to buckets."
  }
}
