# A NAT gateway and endpoints in each zone, three tasks, nothing that can be deleted by mistake.

environment        = "prod"
region             = "us-east-1"
availability_zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
domain             = "example.com"
zone_id            = null
admin_role_arn     = "arn:aws:iam::333333333333:role/airunner-admin"

cidr                = "10.30.0.0/16"
nat_gateways        = 3
ip_address_type     = "dualstack"
interface_endpoints = true

client_cidrs       = ["0.0.0.0/0", "::/0"]
enrollment_enabled = true
pki_enabled        = true

cpu                 = 1024
memory              = 2048
cpu_architecture    = "X86_64"
autoscaling_enabled = true
min_tasks           = 3
max_tasks           = 12
container_insights  = true

issuer_key_in_kms = true

truststore_enabled   = true
audit_bucket_enabled = true
audit_lock_mode      = "COMPLIANCE"

log_retention_days  = 400
deletion_protection = true
alarm_email         = "oncall@example.com"

github_repository = "example/airunner-control-plane"
