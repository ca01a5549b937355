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

variable "cidr" {
  type        = string
  description = "IPv4 addresses of the VPC, nine of whose sixteen parts become subnets. IPv6 addresses are AWS's."
  default     = "10.0.0.0/16"
  nullable    = false

  validation {
    condition     = try(cidrsubnet(var.cidr, 0, 0) == var.cidr, false) && can(regex("/(16|17|18|19|20)$", var.cidr))
    error_message = "Write the first address of an IPv4 network and a length of 16 to 20, such as \"10.0.0.0/16\"."
  }
}

variable "availability_zones" {
  type        = list(string)
  description = "Three zones of the region; null takes the first three. Write them where a zone that AWS adds must move nothing."
  default     = null

  validation {
    condition     = var.availability_zones == null || try(length(distinct(var.availability_zones)) == 3 && length(var.availability_zones) == 3, false)
    error_message = "Write exactly three different zones, such as [\"us-east-1a\", \"us-east-1b\", \"us-east-1c\"], or null."
  }
}

variable "nat_gateways" {
  type        = number
  description = "0: tasks reach AWS through endpoints and nothing else (no OIDC join rules, whose issuers are on the internet); 1: cheaper, ends with its zone; 3: one for each zone."
  default     = 3
  nullable    = false

  validation {
    condition     = contains([0, 1, 3], var.nat_gateways)
    error_message = "Write 0, 1 or 3."
  }

  validation {
    condition     = var.nat_gateways > 0 || var.interface_endpoints
    error_message = "Write 1 or 3, or leave interface_endpoints true: with neither, no task can start."
  }
}

variable "interface_endpoints" {
  type        = bool
  description = "Whether SSM, Secrets Manager, ECR, Logs, KMS and STS are reached without leaving the VPC."
  default     = true
  nullable    = false
}

variable "flow_log_retention_days" {
  type        = number
  description = "Days for which it is known who spoke to whom."
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.flow_log_retention_days)
    error_message = "Write a number of days that CloudWatch Logs knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "logs_key_arn" {
  type        = string
  description = "Customer-managed KMS key that encrypts the flow logs: `logs_key_arn` of the module keys."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.logs_key_arn))
    error_message = "Write the ARN of a key, not of an alias: arn:aws:kms:REGION:ACCOUNT:key/ID."
  }
}

variable "existing" {
  type = object({
    vpc_id                 = string
    public_subnet_ids      = list(string)
    application_subnet_ids = list(string)
  })
  description = "A VPC to deploy into, instead of a new one: nothing is made, and routes, endpoints and flow logs are its owner's. Its public subnets need IPv6 addresses for a dual-stack balancer."
  default     = null

  validation {
    condition     = var.existing == null || can(regex("^vpc-[0-9a-f]{8,17}$", var.existing.vpc_id))
    error_message = "Write the id of the VPC as vpc_id, such as \"vpc-0123456789abcdef0\"."
  }

  validation {
    condition = var.existing == null || try(alltrue([
      for ids in [var.existing.public_subnet_ids, var.existing.application_subnet_ids] :
      length(distinct(ids)) >= 2 && alltrue([for id in ids : can(regex("^subnet-[0-9a-f]{8,17}$", id))])
    ]), false)
    error_message = "Write at least two public_subnet_ids and two application_subnet_ids, in different zones, such as \"subnet-0123456789abcdef0\"."
  }
}

variable "ip_address_type" {
  type        = string
  description = "`dualstack` gives the public subnets IPv6 addresses for the balancer; `ipv4` gives none."
  default     = "dualstack"
  nullable    = false

  validation {
    condition     = contains(["dualstack", "ipv4"], var.ip_address_type)
    error_message = "Write \"dualstack\" or \"ipv4\"."
  }
}
