output "bucket" {
  description = "Bucket that keeps the states."
  value       = aws_s3_bucket.state.id
}

output "backend" {
  description = "Block to put beside the root module; write the environment's name into `key`. S3 itself keeps the lock."
  value       = <<-EOT
    terraform {
      backend "s3" {
        bucket       = "${aws_s3_bucket.state.id}"
        key          = "ENVIRONMENT/terraform.tfstate"
        region       = "${var.region}"
        encrypt      = true
        kms_key_id   = "${aws_kms_key.state.arn}"
        use_lockfile = true
      }
    }
  EOT
}
