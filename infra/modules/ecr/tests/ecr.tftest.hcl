mock_provider "aws" {}

variables {
  application = "airunner"
  environment = "prod"
}

run "a_tag_names_the_same_image_for_ever" {
  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE"
    error_message = "A tag can be moved to another image."
  }
}

run "every_image_is_scanned_and_encrypted" {
  assert {
    condition     = aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push && aws_ecr_repository.this.encryption_configuration[0].encryption_type == "KMS"
    error_message = "Images are not scanned when they are pushed, or not encrypted with KMS."
  }
}

run "old_images_go_and_new_ones_stay" {
  assert {
    condition = [for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : [rule.selection.tagStatus, rule.selection.countNumber]] == [
      ["untagged", 7], ["tagged", 30]
    ]
    error_message = "Unfinished builds are not deleted after 7 days, or fewer than 30 images are kept."
  }
}
