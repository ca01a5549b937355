variable "zone_id" {
  type        = string
  description = "Route 53 hosted zone that holds the name."
  nullable    = false

  validation {
    condition     = can(regex("^Z[A-Z0-9]{5,31}$", var.zone_id))
    error_message = "Write the id of a hosted zone, such as \"Z0123456789ABCDEFGHIJ\", without /hostedzone/."
  }
}

variable "name" {
  type        = string
  description = "Full name that agents and operators connect to: `--hostname` of rpc-server, which its certificate carries."
  nullable    = false

  validation {
    condition     = length(var.name) <= 253 && can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", var.name))
    error_message = "Write a lower-case name with at least one dot and none at the end, such as \"airunner-prod.example.com\"."
  }
}

variable "load_balancer_dns_name" {
  type        = string
  description = "Name that AWS gave the balancer."
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9.-]+\\.[A-Za-z0-9.-]+$", var.load_balancer_dns_name))
    error_message = "Write the balancer's DNS name, such as \"airunner-prod-0123456789abcdef.elb.us-east-1.amazonaws.com\"."
  }
}

variable "load_balancer_zone_id" {
  type        = string
  description = "Hosted zone that AWS keeps the balancer's name in; not `zone_id`."
  nullable    = false

  validation {
    condition     = can(regex("^Z[A-Z0-9]{5,31}$", var.load_balancer_zone_id))
    error_message = "Write the balancer's own zone id, such as \"Z26RNL4JYFTOTI\"."
  }
}
