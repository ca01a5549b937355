variable "image" {
  type        = string
  description = "First image to run, with tag or digest. Null: tag `initial` of the repository made here, to be pushed before bootstrap. Later ones come from the pipeline."
  default     = null

  validation {
    condition     = var.image == null || try(can(regex("^[^\\s:@]+(:[0-9]+/[^\\s:@]+)?(:[\\w][\\w.-]{0,127}|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest"), false)
    error_message = "Write an image with a tag other than latest, or with a digest, such as \"111122223333.dkr.ecr.us-east-1.amazonaws.com/airunner-prod:1.0.0\", or null."
  }
}

variable "issuer_key_in_kms" {
  type        = bool
  description = "Whether the issuer's key is a KMS key, which nobody can read. Otherwise bootstrap uploads one as a secret that the execution role reads."
  default     = true
  nullable    = false
}

variable "issuer_keys" {
  type        = list(string)
  description = "A name for the KMS key of each issuer, oldest first: a rotation adds one, and takes the old one away at its end (docs/rotation.md)."
  default     = ["1"]
  nullable    = false

  validation {
    condition     = length(var.issuer_keys) >= 1 && length(distinct(var.issuer_keys)) == length(var.issuer_keys) && alltrue([for name in var.issuer_keys : can(regex("^[a-z0-9]{1,12}$", name))])
    error_message = "Write at least one name, each once, of 1 to 12 lower-case letters and digits, such as [\"1\", \"2\"]."
  }
}

variable "truststore_enabled" {
  type        = bool
  description = "Whether issuers and roots are published to a bucket as `truststore.pem`, for gateways that verify client certificates themselves."
  default     = false
  nullable    = false
}

variable "audit_bucket_enabled" {
  type        = bool
  description = "Whether checkpoints of the audit log are copied to a bucket in which nobody can replace them for 400 days."
  default     = false
  nullable    = false
}

variable "audit_lock_mode" {
  type        = string
  description = "`GOVERNANCE`: who has s3:BypassGovernanceRetention can delete checkpoints all the same; `COMPLIANCE`: nobody can, and the bucket stays for 400 days after a destroy."
  default     = "GOVERNANCE"
  nullable    = false

  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE"], var.audit_lock_mode)
    error_message = "Write \"GOVERNANCE\" or \"COMPLIANCE\"."
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

variable "alarm_email" {
  type        = string
  description = "Who is told of alarms. AWS asks this address to confirm. Null: subscribe something else to the topic."
  default     = null

  validation {
    condition     = var.alarm_email == null || can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alarm_email))
    error_message = "Write one e-mail address, such as \"oncall@example.com\", or null."
  }
}

variable "github_repository" {
  type        = string
  description = "GitHub repository whose pipelines may deploy, `owner/name`. Null: no role for GitHub."
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "Write \"owner/name\", without wildcards, such as \"example/airunner-control-plane\", or null."
  }
}

variable "github_environments" {
  type        = list(string)
  description = "GitHub environments from which the role may be taken, with the approvals that GitHub asks for; null: the one named as this environment."
  default     = null

  validation {
    condition     = var.github_environments == null || try(length(var.github_environments) > 0 && alltrue([for name in var.github_environments : can(regex("^[A-Za-z0-9][A-Za-z0-9._-]*$", name))]), false)
    error_message = "Write at least one name of a GitHub environment, without wildcards, such as \"production\", or null."
  }
}

variable "github_oidc_provider_arn" {
  type        = string
  description = "The account's OIDC provider for GitHub, of which there can be one only; null makes it."
  default     = null

  validation {
    condition     = var.github_oidc_provider_arn == null || can(regex("^arn:[^:]+:iam::[0-9]{12}:oidc-provider/token\\.actions\\.githubusercontent\\.com$", var.github_oidc_provider_arn))
    error_message = "Write arn:aws:iam::ACCOUNT:oidc-provider/token.actions.githubusercontent.com, or null to make it."
  }
}
