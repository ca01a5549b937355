# All of the module's outputs under their own names: for scripts, pipelines, and the person who goes on.

output "airunner" {
  description = "Names and ARNs of what was made."
  value       = module.airunner
}

output "hostname" {
  description = "Name of the servers."
  value       = module.airunner.hostname
}

output "bootstrap_command" {
  description = "Makes authorities, server certificate and first admin, uploads them, and starts the service."
  value       = module.airunner.bootstrap_command
}

output "next_steps" {
  description = "What to do after the first apply."
  value       = module.airunner.next_steps
}
