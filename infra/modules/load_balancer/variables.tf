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

  validation {
    condition     = length("${var.application}-${var.environment}") <= 25
    error_message = "Write a shorter application or environment: names of target groups leave room for 25 characters of both, with the hyphen."
  }
}

variable "vpc_id" {
  type        = string
  description = "VPC of the target groups and of the balancer's security group."
  nullable    = false

  validation {
    condition     = can(regex("^vpc-[0-9a-z]+$", var.vpc_id))
    error_message = "Write the id of a VPC, such as \"vpc-0123456789abcdef0\"."
  }
}

variable "subnet_ids" {
  type        = list(string)
  description = "Public subnets, one per availability zone, in which the balancer has its addresses."
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) > 0 && alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-z]+$", id))])
    error_message = "Write at least one subnet id, one per availability zone, such as [\"subnet-0123456789abcdef0\"]."
  }
}

variable "ip_address_type" {
  type        = string
  description = "`dualstack` answers IPv4 and IPv6 and needs subnets that have both; `ipv4` for a VPC without IPv6."
  default     = "dualstack"
  nullable    = false

  validation {
    condition     = contains(["dualstack", "ipv4"], var.ip_address_type)
    error_message = "Write \"dualstack\" or \"ipv4\"."
  }
}

variable "enrollment_enabled" {
  type        = bool
  description = "Whether machines without a certificate can join, on port 8444."
  default     = true
  nullable    = false
}

variable "pki_enabled" {
  type        = bool
  description = "Whether trust bundle, issuers and CRLs are published, on port 8081, over plain HTTP by design."
  default     = false
  nullable    = false
}

variable "client_cidrs" {
  type        = list(string)
  description = "Who may reach the API on port 443. Everybody, unless said otherwise: admission is decided by certificate."
  default     = ["0.0.0.0/0", "::/0"]
  nullable    = false

  validation {
    condition     = length(var.client_cidrs) > 0 && alltrue([for cidr in var.client_cidrs : try(cidrsubnet(cidr, 0, 0) == cidr, false)])
    error_message = "Write at least one CIDR block without host bits, IPv4 or IPv6, such as [\"203.0.113.0/24\", \"2001:db8::/32\"]."
  }
}

variable "enrollment_cidrs" {
  type        = list(string)
  description = "Who may reach the enrolment listener on port 8444."
  default     = ["0.0.0.0/0", "::/0"]
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.enrollment_cidrs : try(cidrsubnet(cidr, 0, 0) == cidr, false)])
    error_message = "Write CIDR blocks without host bits, IPv4 or IPv6, such as [\"203.0.113.0/24\", \"2001:db8::/32\"]."
  }
}

variable "health_cidrs" {
  type        = list(string)
  description = "Who may ask `/health` on port 8080 from outside. Nobody, unless said otherwise; the balancer's own checks do not need it."
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.health_cidrs : try(cidrsubnet(cidr, 0, 0) == cidr, false)])
    error_message = "Write CIDR blocks without host bits, IPv4 or IPv6, such as [\"203.0.113.0/24\"], or [] for nobody."
  }
}

variable "pki_cidrs" {
  type        = list(string)
  description = "Who may fetch the public PKI files on port 8081."
  default     = ["0.0.0.0/0", "::/0"]
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.pki_cidrs : try(cidrsubnet(cidr, 0, 0) == cidr, false)])
    error_message = "Write CIDR blocks without host bits, IPv4 or IPv6, such as [\"203.0.113.0/24\", \"2001:db8::/32\"]."
  }
}

variable "deletion_protection" {
  type        = bool
  description = "Whether AWS refuses to delete the balancer. To destroy a deployment, apply once with false."
  default     = true
  nullable    = false
}
