/** Who did something, and from where: what each audit event says of its cause. */
export interface Attribution {
  /** A principal_id, `join_token:ID`, or `system`. */
  actor: string
  request_id: string
  remote_address: string
}
