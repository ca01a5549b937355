# Names and place; what runs is in variables_service.tf.

variable "application" {
  type        = string
  description = "First half of every name, and of the paths of parameters and secrets."
  default     = "airunner"
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

  validation {
    condition     = length("${var.application}-${var.environment}") <= 25
    error_message = "Write a shorter application or environment: names of target groups leave room for 25 characters of both, with the hyphen."
  }
}

variable "domain" {
  type        = string
  description = "The servers' name is `<application>-<environment>.<domain>`. Certificates carry it: changing it is a new deployment."
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$", var.domain)) && length(var.domain) <= 200
    error_message = "Write a lower-case domain with at least one dot and none at its end, such as \"example.com\"."
  }
}

variable "zone_id" {
  type        = string
  description = "Route 53 zone in which that name is made. Null: point it to the output load_balancer_dns_name yourself."
  default     = null

  validation {
    condition     = var.zone_id == null || can(regex("^Z[A-Z0-9]{1,31}$", var.zone_id))
    error_message = "Write the id of a hosted zone, such as \"Z0123456789ABCDEFGHIJ\", or null."
  }
}

variable "admin_role_arn" {
  type        = string
  description = "Role of the person who runs `airunner bootstrap`: the only reader of the root's key."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:iam::[0-9]{12}:role/.+$", var.admin_role_arn))
    error_message = "Write the ARN of an IAM role, arn:aws:iam::ACCOUNT:role/NAME; of an assumed role (arn:aws:sts::…) its role's."
  }
}

variable "cidr" {
  type        = string
  description = "IPv4 addresses of the VPC."
  default     = "10.0.0.0/16"
  nullable    = false

  validation {
    condition     = try(cidrsubnet(var.cidr, 0, 0) == var.cidr, false) && can(regex("/(16|17|18|19|20)$", var.cidr))
    error_message = "Write the first address of an IPv4 network and a length of 16 to 20, such as \"10.0.0.0/16\"."
  }
}

variable "availability_zones" {
  type        = list(string)
  description = "Three zones of the region; null takes the first three."
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
  description = "Whether AWS is reached without leaving the VPC; each of the seven endpoints costs about a quarter of a NAT gateway, in each zone."
  default     = true
  nullable    = false
}

variable "existing_network" {
  type = object({
    vpc_id                 = string
    public_subnet_ids      = list(string)
    application_subnet_ids = list(string)
  })
  description = "A VPC to deploy into, instead of a new one. Its routes, endpoints and flow logs stay its owner's."
  default     = null

  validation {
    condition     = var.existing_network == null || can(regex("^vpc-[0-9a-f]{8,17}$", var.existing_network.vpc_id))
    error_message = "Write the id of the VPC as vpc_id, such as \"vpc-0123456789abcdef0\"."
  }

  validation {
    condition = var.existing_network == null || try(alltrue([
      for ids in [var.existing_network.public_subnet_ids, var.existing_network.application_subnet_ids] :
      length(distinct(ids)) >= 2 && alltrue([for id in ids : can(regex("^subnet-[0-9a-f]{8,17}$", id))])
    ]), false)
    error_message = "Write at least two public_subnet_ids and two application_subnet_ids, in different zones, such as \"subnet-0123456789abcdef0\"."
  }
}

variable "ip_address_type" {
  type        = string
  description = "`dualstack` answers IPv4 and IPv6; `ipv4` where existing subnets have no IPv6 addresses."
  default     = "dualstack"
  nullable    = false

  validation {
    condition     = contains(["dualstack", "ipv4"], var.ip_address_type)
    error_message = "Write \"dualstack\" or \"ipv4\"."
  }
}

variable "client_cidrs" {
  type        = list(string)
  description = "Who may reach the API. Everybody, unless said otherwise: admission is decided by certificate."
  default     = ["0.0.0.0/0", "::/0"]
  nullable    = false

  validation {
    condition     = length(var.client_cidrs) > 0 && alltrue([for cidr in var.client_cidrs : try(cidrsubnet(cidr, 0, 0) == cidr, false)])
    error_message = "Write at least one CIDR block without host bits, IPv4 or IPv6, such as [\"203.0.113.0/24\", \"2001:db8::/32\"]."
  }
}

variable "enrollment_enabled" {
  type        = bool
  description = "Whether machines without a certificate can join, on port 8444."
  default     = true
  nullable    = false
}

variable "enrollment_cidrs" {
  type        = list(string)
  description = "Who may reach the enrolment listener; null: who may reach the API."
  default     = null

  validation {
    condition     = var.enrollment_cidrs == null || try(alltrue([for cidr in var.enrollment_cidrs : cidrsubnet(cidr, 0, 0) == cidr]), false)
    error_message = "Write CIDR blocks without host bits, IPv4 or IPv6, such as [\"203.0.113.0/24\", \"2001:db8::/32\"], or null."
  }
}

variable "pki_enabled" {
  type        = bool
  description = "Whether trust bundle, issuers and CRLs are published on port 8081. Certificates then carry these URLs."
  default     = false
  nullable    = false
}

variable "pki_cidrs" {
  type        = list(string)
  description = "Who may fetch the public PKI files; null: who may reach the API."
  default     = null

  validation {
    condition     = var.pki_cidrs == null || try(alltrue([for cidr in var.pki_cidrs : cidrsubnet(cidr, 0, 0) == cidr]), false)
    error_message = "Write CIDR blocks without host bits, IPv4 or IPv6, such as [\"203.0.113.0/24\", \"2001:db8::/32\"], or null."
  }
}

variable "health_cidrs" {
  type        = list(string)
  description = "Who may ask `/health` on port 8080 from outside, such as a monitor. The balancer's own checks do not need it."
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.health_cidrs : try(cidrsubnet(cidr, 0, 0) == cidr, false)])
    error_message = "Write CIDR blocks without host bits, IPv4 or IPv6, such as [\"203.0.113.0/24\"], or [] for nobody."
  }
}

variable "deletion_protection" {
  type        = bool
  description = "Whether tables and balancer refuse to be deleted, and secrets and keys are kept for a month. To destroy a deployment, apply once with false."
  default     = true
  nullable    = false
}
