# Terraform makes the places and `airunner bootstrap` fills them: what is in them is never Terraform's to know or to change.
# rpc-server refuses to start while one of them says "placeholder".

locals {
  prefix = "/${var.application}/${var.environment}"
}

resource "aws_ssm_parameter" "public" {
  #checkov:skip=CKV2_AWS_34:certificates are public, and read by more than those who may use the key
  for_each = {
    ca-cert     = "Trust bundle: roots, PEM."
    server-cert = "Server certificate and its chain, PEM."
    issuer-cert = "Certificate of the issuer of client certificates, PEM."
  }

  name        = "${local.prefix}/${each.key}"
  description = each.value
  type        = "String"
  value       = "placeholder"

  lifecycle {
    ignore_changes = [value]
  }
}

# Written by the servers themselves: which tables they have seen, and up to when (docs/restore.md). Made here, so that a
# deployment that is destroyed leaves nothing behind which the next one would take for its own memory.
resource "aws_ssm_parameter" "store_epoch" {
  #checkov:skip=CKV2_AWS_34:says which tables were seen last, nothing that is secret
  name        = "${local.prefix}/store-epoch"
  description = "Which tables the servers have seen, and up to when."
  type        = "String"
  value       = "placeholder"

  lifecycle {
    ignore_changes = [value]
  }
}

# Write-only: a refresh writes the decrypted `value` of a SecureString into the state, whatever `ignore_changes` says.
# And never updated: whatever changes, the provider sends key, description and an empty value in one call, which would
# replace the key that bootstrap has put here.
# A refresh still reads it decrypted, if only to throw the value away: whoever refreshes may read the key (docs/pipelines.md).
resource "aws_ssm_parameter" "server_key" {
  name             = "${local.prefix}/server-key"
  description      = "Private key of the server certificate, PEM."
  type             = "SecureString"
  key_id           = var.kms_key_arn
  value_wo         = "placeholder"
  value_wo_version = 1

  lifecycle {
    ignore_changes = all
  }
}
