output "hostname" {
  description = "Name of the servers."
  value       = module.airunner.hostname
}

output "next_steps" {
  description = "What to do now."
  value       = module.airunner.next_steps
}
