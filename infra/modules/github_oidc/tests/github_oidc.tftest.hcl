mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" }
  }
}

variables {
  application        = "airunner"
  environment        = "prod"
  repository         = "example/airunner-control-plane"
  branches           = ["main"]
  environments       = ["production"]
  ecr_repository_arn = "arn:aws:ecr:us-east-1:111122223333:repository/airunner-prod"
  ecs_cluster_arn    = "arn:aws:ecs:us-east-1:111122223333:cluster/airunner-prod"
  ecs_service_arn    = "arn:aws:ecs:us-east-1:111122223333:service/airunner-prod/airunner-prod"
  passable_role_arns = ["arn:aws:iam::111122223333:role/airunner-prod-task", "arn:aws:iam::111122223333:role/airunner-prod-execution"]
}

run "only_named_branches_and_environments_take_the_role" {
  assert {
    condition = jsondecode(aws_iam_role.deploy.assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub" = [
          "repo:example/airunner-control-plane:ref:refs/heads/main",
          "repo:example/airunner-control-plane:environment:production",
        ]
      }
    }
    error_message = "Somebody besides the named branch and environment takes the role."
  }
  assert {
    condition     = length(jsondecode(aws_iam_role.deploy.assume_role_policy).Statement) == 1
    error_message = "There is a second way to take the role."
  }
}

run "the_pipeline_passes_the_roles_of_the_task_alone" {
  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.deploy.policy).Statement : concat(statement.Resource, values(statement.Condition.StringEquals))
      if contains(flatten([statement.Action]), "iam:PassRole")
    ] == [["arn:aws:iam::111122223333:role/airunner-prod-task", "arn:aws:iam::111122223333:role/airunner-prod-execution", "ecs-tasks.amazonaws.com"]]
    error_message = "The pipeline could hand a stronger role to a task."
  }
}

run "the_pipeline_changes_one_service_and_one_repository" {
  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(aws_iam_role_policy.deploy.policy).Statement : [
        for action in flatten([statement.Action]) :
        contains(["ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition", "ecs:DescribeTasks", "ecs:ListTasks"], action)
      ] if contains(flatten([statement.Resource]), "*")
    ]))
    error_message = "The pipeline changes something that is not named."
  }
  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.deploy.policy).Statement : statement.Resource
      if contains(flatten([statement.Action]), "ecs:UpdateService")
    ] == ["arn:aws:ecs:us-east-1:111122223333:service/airunner-prod/airunner-prod"]
    error_message = "The pipeline updates another service."
  }
  assert {
    condition     = !can(regex("\"[a-z]+:\\*\"", aws_iam_role_policy.deploy.policy))
    error_message = "The pipeline may do everything in some service."
  }
}

run "a_provider_that_is_there_is_used" {
  variables {
    oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
  }
  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && output.oidc_provider_arn == "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    error_message = "A second provider for GitHub is made, which AWS refuses."
  }
}
