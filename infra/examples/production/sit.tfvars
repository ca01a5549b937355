# As prod in everything that can break, at the size of dev.

environment        = "sit"
region             = "us-east-1"
availability_zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
domain             = "example.com"
zone_id            = null
admin_role_arn     = "arn:aws:iam::222222222222:role/airunner-admin"

cidr                = "10.20.0.0/16"
nat_gateways        = 1
ip_address_type     = "dualstack"
interface_endpoints = true

client_cidrs       = ["0.0.0.0/0", "::/0"]
enrollment_enabled = true
pki_enabled        = true

cpu                 = 512
memory              = 1024
cpu_architecture    = "X86_64"
autoscaling_enabled = true
min_tasks           = 2
max_tasks           = 4
container_insights  = true

issuer_key_in_kms = true

truststore_enabled   = true
audit_bucket_enabled = true
audit_lock_mode      = "GOVERNANCE"

log_retention_days  = 30
deletion_protection = false
alarm_email         = "oncall@example.com"

github_repository = "example/airunner-control-plane"
