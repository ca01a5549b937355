variable "application" {
  type        = string
  description = "First half of every name, and of the paths of parameters and secrets."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}[a-z0-9]$", var.application))
    error_message = "Write 2 to 21 lower-case letters, digits and inner hyphens, a letter first, such as \"airunner\"."
  }
}

variable "environment" {
  type        = string
  description = "Second half of every name: one deployment of the application in this account and region."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment))
    error_message = "Write 2 to 12 lower-case letters and digits, a letter first, such as \"prod\"."
  }
}

variable "hostname" {
  type        = string
  description = "Name that the server certificate carries, and trust domain of all identities: `--hostname`."
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$", var.hostname)) && length(var.hostname) <= 253
    error_message = "Write a lower-case DNS name with at least one dot, such as \"airunner-prod.example.com\"."
  }
}

variable "image" {
  type        = string
  description = "Image of the first task definition, with its tag or digest. Later ones come from the deployment pipeline."
  nullable    = false

  validation {
    condition     = can(regex("^[^\\s:@]+(:[0-9]+/[^\\s:@]+)?(:[\\w][\\w.-]{0,127}|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "Write an image with a tag other than latest, or with a digest, such as \"111122223333.dkr.ecr.us-east-1.amazonaws.com/airunner:1.0.0\"."
  }
}

variable "ecr_repository_arn" {
  type        = string
  description = "The one repository from which the execution role may pull."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:ecr:[^:]+:[0-9]{12}:repository/.+$", var.ecr_repository_arn))
    error_message = "Write the ARN of a repository: arn:aws:ecr:REGION:ACCOUNT:repository/NAME."
  }
}

variable "vpc_id" {
  type        = string
  description = "VPC of the tasks."
  nullable    = false

  validation {
    condition     = can(regex("^vpc-[0-9a-z]+$", var.vpc_id))
    error_message = "Write the id of a VPC, such as \"vpc-0123456789abcdef0\"."
  }
}

variable "subnet_ids" {
  type        = list(string)
  description = "Private subnets in which tasks run, one per availability zone."
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) > 0 && alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-z]+$", id))])
    error_message = "Write at least one subnet id, one per availability zone, such as [\"subnet-0123456789abcdef0\"]."
  }
}

variable "load_balancer_security_group_id" {
  type        = string
  description = "The only way in: tasks take connections from this security group."
  nullable    = false

  validation {
    condition     = can(regex("^sg-[0-9a-z]+$", var.load_balancer_security_group_id))
    error_message = "Write the id of a security group, such as \"sg-0123456789abcdef0\"."
  }
}

variable "target_groups" {
  type        = map(object({ port = number, arn = string }))
  description = "Target groups of the balancer by door: `target_groups` of the module load_balancer. `enroll` and `pki` turn on those listeners."
  nullable    = false

  validation {
    condition     = length(setsubtract(["mtls", "health"], keys(var.target_groups))) == 0 && length(setsubtract(keys(var.target_groups), ["mtls", "health", "enroll", "pki"])) == 0
    error_message = "Write the target groups mtls and health, and no others than enroll and pki beside them."
  }
}

variable "proxy_cidrs" {
  type        = list(string)
  description = "Where the balancer is, IPv4 and IPv6: connections from there begin with a PROXY v2 header, and no other's is believed."
  nullable    = false

  validation {
    condition     = length(var.proxy_cidrs) > 0 && alltrue([for cidr in var.proxy_cidrs : can(cidrhost(cidr, 0)) && !endswith(cidr, "/0")])
    error_message = "Write the CIDR blocks of the balancer's subnets, never /0: who is in them can claim any address."
  }
}

variable "egress_cidrs" {
  type        = list(string)
  description = "Where tasks may go, on port 443: AWS, and the issuers of OIDC tokens by which machines join. Narrow it when AWS is reached by endpoints alone."
  default     = ["0.0.0.0/0", "::/0"]
  nullable    = false

  validation {
    condition     = length(var.egress_cidrs) > 0 && alltrue([for cidr in var.egress_cidrs : try(cidrsubnet(cidr, 0, 0) == cidr, false)])
    error_message = "Write at least one CIDR block without host bits, such as [\"0.0.0.0/0\", \"::/0\"]."
  }
}

variable "tables" {
  type = object({
    principals   = object({ name = string, arn = string })
    certificates = object({ name = string, arn = string })
    control      = object({ name = string, arn = string })
  })
  description = "Names and ARNs of the three tables."
  nullable    = false

  validation {
    condition     = length(distinct([for table in values(var.tables) : table.name])) == 3
    error_message = "Write three different tables."
  }
}

variable "tables_key_arn" {
  type        = string
  description = "KMS key of the tables; DynamoDB asks for it in the name of the task."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.tables_key_arn))
    error_message = "Write the ARN of a key, not of an alias: arn:aws:kms:REGION:ACCOUNT:key/ID."
  }
}

variable "secrets_key_arn" {
  type        = string
  description = "KMS key of parameters and secrets."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.secrets_key_arn))
    error_message = "Write the ARN of a key, not of an alias: arn:aws:kms:REGION:ACCOUNT:key/ID."
  }
}

variable "logs_key_arn" {
  type        = string
  description = "KMS key of the log group."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.logs_key_arn))
    error_message = "Write the ARN of a key, not of an alias: arn:aws:kms:REGION:ACCOUNT:key/ID."
  }
}

variable "parameter_prefix" {
  type        = string
  description = "Path below which the server reads its parameters again every five minutes: `AIRUNNER_SSM_PREFIX`."
  nullable    = false

  validation {
    condition     = can(regex("^(/[a-zA-Z0-9_.-]+)+$", var.parameter_prefix))
    error_message = "Write a path that begins with a slash and does not end with one, such as \"/airunner/prod\"."
  }
}

variable "parameter_arns" {
  type        = map(string)
  description = "ARNs of the parameters ca-cert, server-cert, server-key and issuer-cert, by these names."
  nullable    = false

  validation {
    condition     = toset(keys(var.parameter_arns)) == toset(["ca-cert", "server-cert", "server-key", "issuer-cert"])
    error_message = "Write the ARNs of exactly ca-cert, server-cert, server-key and issuer-cert."
  }
}

variable "issuer_key_in_kms" {
  type        = bool
  description = "Whether the issuer's key stays in KMS, where no task can read it, or comes as a secret."
  default     = true
  nullable    = false
}

variable "issuer_key_arns" {
  type        = list(string)
  description = "KMS keys with which certificates are signed: one, and during a rotation two."
  nullable    = false

  validation {
    condition     = length(var.issuer_key_arns) > 0 && alltrue([for arn in var.issuer_key_arns : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", arn))])
    error_message = "Write ARNs of keys, not of aliases: [\"arn:aws:kms:REGION:ACCOUNT:key/ID\"]."
  }
}

variable "audit_key_arn" {
  type        = string
  description = "KMS key with which checkpoints of the audit log are signed."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.audit_key_arn))
    error_message = "Write the ARN of a key, not of an alias: arn:aws:kms:REGION:ACCOUNT:key/ID."
  }
}

variable "audit_bucket" {
  type        = object({ name = string, arn = string })
  description = "Bucket with object lock to which those checkpoints are copied; null: they are in the control table alone."
  default     = null

  validation {
    condition     = var.audit_bucket == null || can(regex("^arn:[^:]+:s3:::[a-z0-9.-]+$", var.audit_bucket.arn))
    error_message = "Write name and ARN of one bucket: { name = \"NAME\", arn = \"arn:aws:s3:::NAME\" }, or null."
  }
}

variable "audit_lock_mode" {
  type        = string
  description = "How the server locks them there, as the bucket does by default: `GOVERNANCE` or `COMPLIANCE`."
  default     = "COMPLIANCE"
  nullable    = false

  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE"], var.audit_lock_mode)
    error_message = "Write \"GOVERNANCE\" or \"COMPLIANCE\"."
  }
}

variable "truststore_bucket" {
  type        = object({ name = string, arn = string })
  description = "Bucket to which `truststore.pem` is published; null: it is not."
  default     = null

  validation {
    condition     = var.truststore_bucket == null || can(regex("^arn:[^:]+:s3:::[a-z0-9.-]+$", var.truststore_bucket.arn))
    error_message = "Write name and ARN of one bucket: { name = \"NAME\", arn = \"arn:aws:s3:::NAME\" }, or null."
  }
}

variable "store_epoch_parameter_arn" {
  type        = string
  description = "Parameter `store-epoch` below the prefix, in which the servers remember which tables they have seen."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:ssm:[^:]+:[0-9]{12}:parameter/.+/store-epoch$", var.store_epoch_parameter_arn))
    error_message = "Write the ARN of the parameter: arn:aws:ssm:REGION:ACCOUNT:parameter/APPLICATION/ENVIRONMENT/store-epoch."
  }
}

variable "issuer_key_secret_arn" {
  type        = string
  description = "Secret that holds the issuer's key where it is not in KMS."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:.+$", var.issuer_key_secret_arn))
    error_message = "Write the ARN of a secret: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME."
  }
}

variable "cpu" {
  type        = number
  description = "CPU units of a task, 1024 to a core. Handshakes are what costs: about 700 a second on a core."
  default     = 512
  nullable    = false

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.cpu)
    error_message = "Write 256, 512, 1024, 2048 or 4096."
  }
}

variable "memory" {
  type        = number
  description = "MiB of a task. A process takes about 300, and 92 KiB for each connected agent."
  default     = 1024
  nullable    = false

  validation {
    condition = contains({
      256  = [512, 1024, 2048]
      512  = range(1024, 4097, 1024)
      1024 = range(2048, 8193, 1024)
      2048 = range(4096, 16385, 1024)
      4096 = range(8192, 30721, 1024)
    }[contains([256, 512, 1024, 2048, 4096], var.cpu) ? var.cpu : 256], var.memory)
    error_message = "Write what Fargate has for that CPU: 256: 512, 1024 or 2048; 512: 1024 to 4096; 1024: 2048 to 8192; 2048: 4096 to 16384; 4096: 8192 to 30720, in steps of 1024."
  }
}

variable "cpu_architecture" {
  type        = string
  description = "For which processor the image is; ARM64 costs a fifth less."
  default     = "X86_64"
  nullable    = false

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "Write \"X86_64\" or \"ARM64\"."
  }
}

variable "stop_timeout_seconds" {
  type        = number
  description = "Seconds from SIGTERM to SIGKILL. The server needs 40: it accepts for 15 more, then lets requests finish for 25."
  default     = 60
  nullable    = false

  validation {
    condition     = var.stop_timeout_seconds > 40 && var.stop_timeout_seconds <= 120
    error_message = "Write 41 to 120: longer than the server drains (15 + 25 seconds), and no longer than Fargate allows."
  }
}

variable "autoscaling_enabled" {
  type        = bool
  description = "Whether the number of tasks follows CPU and connections. Off, it stays as bootstrap or an operator set it."
  default     = true
  nullable    = false
}

variable "min_tasks" {
  type        = number
  description = "Tasks that bootstrap starts, and fewest from then on."
  default     = 2
  nullable    = false

  validation {
    condition     = var.min_tasks >= 1 && floor(var.min_tasks) == var.min_tasks
    error_message = "Write a whole number from 1; 2 or more survive the loss of a zone."
  }
}

variable "max_tasks" {
  type        = number
  description = "Most tasks."
  default     = 6
  nullable    = false

  validation {
    condition     = var.max_tasks >= var.min_tasks && floor(var.max_tasks) == var.max_tasks
    error_message = "Write a whole number, at least min_tasks."
  }
}

variable "connections_per_process" {
  type        = number
  description = "Open connections per server process that autoscaling aims at."
  default     = 4000
  nullable    = false

  validation {
    condition     = var.connections_per_process >= 100 && var.connections_per_process <= 15000
    error_message = "Write 100 to 15000: a process refuses more than 20000, and new tasks take minutes."
  }
}

variable "log_retention_days" {
  type        = number
  description = "Days for which the server's log is kept. The audit log is in the control table, not here."
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Write what CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "container_insights" {
  type        = bool
  description = "Whether ECS publishes CPU, memory and network of each task, for some dollars a month."
  default     = true
  nullable    = false
}
