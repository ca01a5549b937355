# Small and cheap: one NAT gateway, no endpoints, one task, nothing kept for long, gone with one `destroy`.

environment        = "dev"
region             = "us-east-1"
availability_zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
domain             = "example.com"
zone_id            = null
admin_role_arn     = "arn:aws:iam::111111111111:role/airunner-admin"

cidr                = "10.10.0.0/16"
nat_gateways        = 1
ip_address_type     = "dualstack"
interface_endpoints = false

client_cidrs       = ["0.0.0.0/0", "::/0"]
enrollment_enabled = true
pki_enabled        = true

cpu                 = 256
memory              = 512
cpu_architecture    = "X86_64"
autoscaling_enabled = true
min_tasks           = 1
max_tasks           = 2
container_insights  = false

issuer_key_in_kms = true

truststore_enabled   = false
audit_bucket_enabled = false
audit_lock_mode      = "GOVERNANCE"

log_retention_days  = 14
deletion_protection = false
alarm_email         = "oncall@example.com"

github_repository = "example/airunner-control-plane"
