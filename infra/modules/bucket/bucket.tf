data "aws_caller_identity" "current" {}

# Names of buckets are the world's, so the account is part of it.
locals {
  name    = "${var.application}-${var.environment}-${var.purpose}-${data.aws_caller_identity.current.account_id}"
  objects = "${aws_s3_bucket.this.arn}/*"
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:CloudTrail's data events tell who read or wrote; a second bucket of logs tells less
  #checkov:skip=CKV_AWS_144:what is in it is made anew from the tables, or proves them; a copy in a second region is one more place to guard
  #checkov:skip=CKV_AWS_145:certificates, hashes and signatures: nothing that a key of one's own would keep from anybody
  #checkov:skip=CKV2_AWS_62:nothing has to happen when it changes
  bucket              = local.name
  object_lock_enabled = var.lock_days != null
  force_destroy       = var.force_destroy
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# Whatever is put here without a date of its own is kept as long; the server says the date with each object.
resource "aws_s3_bucket_object_lock_configuration" "this" {
  count  = var.lock_days == null ? 0 : 1
  bucket = aws_s3_bucket.this.id

  rule {
    default_retention {
      mode = var.lock_mode
      days = var.lock_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OverTlsAlone"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.this.arn, local.objects]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "WrittenByTheServerAlone"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:PutObject"]
        Resource  = [local.objects]
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = [var.writer_role_arn] } }
      },
    ]
  })

  # The policy is not public; S3 must be told so first.
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "what-was-replaced"
    status = "Enabled"

    filter {}

    # A version that is locked stays until its own date, whatever is said here.
    noncurrent_version_expiration {
      noncurrent_days = 400
    }

    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}
