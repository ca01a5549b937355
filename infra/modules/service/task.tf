locals {
  port_text = { for door, group in var.target_groups : door => "0.0.0.0:${group.port}" }
  enroll    = contains(keys(var.target_groups), "enroll")
  pki       = contains(keys(var.target_groups), "pki")

  command = concat(
    ["rpc-server", "--mtls-listen", local.port_text["mtls"], "--health-listen", local.port_text["health"], "--hostname", var.hostname],
    ["--proxy-protocol", join(",", var.proxy_cidrs)],
    local.enroll ? ["--enroll-listen", local.port_text["enroll"]] : [],
    local.pki ? ["--pki-listen", local.port_text["pki"], "--public-url", "http://${var.hostname}:${var.target_groups["pki"].port}"] : [],
    var.truststore_bucket == null ? [] : ["--truststore-bucket", var.truststore_bucket.name],
    var.audit_bucket == null ? [] : ["--audit-bucket", var.audit_bucket.name, "--audit-lock-mode", lower(var.audit_lock_mode)],
  )

  environment = merge(
    {
      AWS_REGION                = local.region
      AIRUNNER_PRINCIPAL_TABLE  = var.tables.principals.name
      AIRUNNER_CERT_TABLE       = var.tables.certificates.name
      AIRUNNER_CONTROL_TABLE    = var.tables.control.name
      AIRUNNER_SSM_PREFIX       = var.parameter_prefix
      AIRUNNER_AUDIT_KMS_KEY_ID = var.audit_key_arn
    },
    var.issuer_key_in_kms ? { AIRUNNER_ISSUER_KMS_KEY_ID = join(",", var.issuer_key_arns) } : {},
    # A process uses one core.
    var.cpu >= 2048 ? { AIRUNNER_WORKERS = tostring(var.cpu / 1024) } : {},
  )

  # What a task starts with; from then on it reads the parameters itself, and takes over new ones without a restart.
  secrets = merge(
    {
      AIRUNNER_CA_CERT     = var.parameter_arns["ca-cert"]
      AIRUNNER_SERVER_CERT = var.parameter_arns["server-cert"]
      AIRUNNER_SERVER_KEY  = var.parameter_arns["server-key"]
      AIRUNNER_ISSUER_CERT = var.parameter_arns["issuer-cert"]
    },
    var.issuer_key_in_kms ? {} : { AIRUNNER_ISSUER_KEY = var.issuer_key_secret_arn },
  )

  container = {
    name      = "rpc-server"
    image     = var.image
    essential = true
    command   = local.command

    environment = [for name, value in local.environment : { name = name, value = value }]
    secrets     = [for name, arn in local.secrets : { name = name, valueFrom = arn }]

    portMappings = [for port in sort([for group in var.target_groups : format("%05d", group.port)]) :
      { containerPort = tonumber(port), hostPort = tonumber(port), protocol = "tcp" }
    ]

    # The image's own user. The server writes nothing but its log, so there is no writable path at all, /tmp included.
    user                   = "65532:65532"
    readonlyRootFilesystem = true
    privileged             = false
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"], add = [] } }
    # Port 443 without root and without a capability: in this task's own network no port is privileged.
    systemControls = [{ namespace = "net.ipv4.ip_unprivileged_port_start", value = "0" }]
    # Each agent's stream is a file descriptor.
    ulimits = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]

    stopTimeout = var.stop_timeout_seconds
    # Whether the event loop turns. Not /health, which says 503 while a task drains and must be left alone.
    healthCheck = {
      command     = ["CMD", "node", "-e", "fetch('http://127.0.0.1:8080/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
      interval    = 30
      timeout     = 5
      retries     = 3
      startPeriod = 30
    }

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.server.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "task"
        # A server that cannot write its log goes on letting in and cutting off.
        mode            = "non-blocking"
        max-buffer-size = "8m"
      }
    }

    mountPoints = []
    volumesFrom = []
  }
}

resource "aws_ecs_task_definition" "server" {
  family                   = local.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn
  container_definitions    = jsonencode([local.container])
  # The revision that runs, and the one to roll back to, must not be taken away when there is a newer one.
  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }
}
