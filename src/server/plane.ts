import type { X509Certificate } from 'node:crypto'
import type { Admitted, Presented, Source } from '../auth/caller.ts'
import type { Prepared } from '../authority/authorities/prepare.ts'
import type { OcspAnswer } from '../authority/ocsp/answer-ocsp.ts'
import type { CallerRequest } from '../authority/request.ts'
import type { CrlHead } from '../core/crl.ts'
import type { Once } from '../core/once.ts'
import type { AgentDetail, AgentPage, ListAgents, ReportStatus, StatusAnswer } from '../wire/agents.ts'
import type {
  AuditChainEventPage,
  AuditChainPage,
  AuditCheckpointPage,
  ListAuditChainEvents,
  ListAuditChains,
  ListAuditCheckpoints,
} from '../wire/audit-chains.ts'
import type { AuditEventPage, ListAuditEvents } from '../wire/audit-events.ts'
import type {
  ActivateAuthority,
  Authority,
  AuthorityDetails,
  AuthorityPage,
  ListAuthorities,
  PrepareAuthority,
  RemoveAuthority,
  RetireAuthority,
} from '../wire/authorities.ts'
import type {
  Certificate,
  CertificatePage,
  IssueCertificate,
  IssuedCertificate,
  ListCertificates,
  RenewCertificate,
  RevokeCertificate,
} from '../wire/certificates.ts'
import type { Command, CommandPage, FinishCommand, ListCommands, SendCommand } from '../wire/commands.ts'
import type { Enroll, Enrollment } from '../wire/enrollments.ts'
import type {
  CreateJoinRule,
  JoinRule,
  JoinRulePage,
  JoinRuleTest,
  ListJoinRules,
  TestJoinRule,
  UpdateJoinRule,
} from '../wire/join-rules.ts'
import type {
  CreatedJoinToken,
  CreateJoinToken,
  JoinToken,
  JoinTokenPage,
  ListJoinTokens,
} from '../wire/join-tokens.ts'
import type {
  CreatePrincipal,
  ListPrincipals,
  Principal,
  PrincipalPage,
  SuspendPrincipal,
  UpdatePrincipal,
} from '../wire/principals.ts'
import type { Revocation, StartRevocation } from '../wire/revocations.ts'
import type { TrustBundle } from '../wire/trust-bundle.ts'
import type { Attached } from './agents/hub.ts'
import type { HeldCrl } from './crls.ts'

/** Optimistic concurrency: the version of `If-Match`, when the caller sent one. */
export interface Expected {
  version?: number
}

/** What the plane does, as the HTTP applications call it. Every verb answers a wire document or throws a ControlError. */
export interface Verbs {
  createPrincipal(request: CallerRequest, body: CreatePrincipal): Promise<Principal>
  listPrincipals(query: ListPrincipals): Promise<PrincipalPage>
  getPrincipal(principalId: string): Promise<Principal>
  updatePrincipal(
    request: CallerRequest,
    principalId: string,
    body: UpdatePrincipal,
    expected: Expected,
  ): Promise<Principal>
  suspendPrincipal(
    request: CallerRequest,
    principalId: string,
    body: SuspendPrincipal,
    expected: Expected,
  ): Promise<Principal>
  activatePrincipal(request: CallerRequest, principalId: string, expected: Expected): Promise<Principal>
  deletePrincipal(request: CallerRequest, principalId: string): Promise<Principal>
  issueCertificate(request: CallerRequest, body: IssueCertificate): Promise<IssuedCertificate>
  renewCertificate(request: CallerRequest, body: RenewCertificate): Promise<IssuedCertificate>
  listCertificates(query: ListCertificates): Promise<CertificatePage>
  getCertificate(serialNumber: string): Promise<Certificate>
  revokeCertificate(request: CallerRequest, serialNumber: string, body: RevokeCertificate): Promise<Certificate>
  startRevocation(request: CallerRequest, body: StartRevocation): Promise<Revocation>
  getRevocation(revocationId: string): Promise<Revocation>
  listAuditEvents(query: ListAuditEvents): Promise<AuditEventPage>
  listAuditChains(query: ListAuditChains): Promise<AuditChainPage>
  listAuditChainEvents(chain: string, query: ListAuditChainEvents): Promise<AuditChainEventPage>
  listAuditCheckpoints(query: ListAuditCheckpoints): Promise<AuditCheckpointPage>
  createJoinToken(request: CallerRequest, body: CreateJoinToken): Promise<CreatedJoinToken>
  listJoinTokens(query: ListJoinTokens): Promise<JoinTokenPage>
  getJoinToken(joinTokenId: string): Promise<JoinToken>
  revokeJoinToken(request: CallerRequest, joinTokenId: string): Promise<JoinToken>
  createJoinRule(request: CallerRequest, body: CreateJoinRule): Promise<JoinRule>
  listJoinRules(query: ListJoinRules): Promise<JoinRulePage>
  getJoinRule(joinRuleId: string): Promise<JoinRule>
  updateJoinRule(
    request: CallerRequest,
    joinRuleId: string,
    body: UpdateJoinRule,
    expected: Expected,
  ): Promise<JoinRule>
  deleteJoinRule(request: CallerRequest, joinRuleId: string): Promise<JoinRule>
  testJoinRule(body: TestJoinRule): Promise<JoinRuleTest>
  /** The one verb of those who have no certificate. */
  enroll(source: Source, body: Enroll): Promise<Enrollment>
  reportStatus(request: CallerRequest, body: ReportStatus): Promise<StatusAnswer>
  listAgents(query: ListAgents): Promise<AgentPage>
  getAgent(principalId: string): Promise<AgentDetail>
  sendCommand(request: CallerRequest, principalId: string, body: SendCommand): Promise<Command>
  listCommands(principalId: string, query: ListCommands): Promise<CommandPage>
  finishCommand(request: CallerRequest, commandId: string, body: FinishCommand): Promise<Command>
  listAuthorities(query: ListAuthorities): Promise<AuthorityPage>
  getAuthority(issuerId: string): Promise<AuthorityDetails>
  prepareAuthority(request: CallerRequest, body: PrepareAuthority): Promise<Prepared>
  activateAuthority(request: CallerRequest, issuerId: string, body: ActivateAuthority): Promise<Authority>
  retireAuthority(request: CallerRequest, issuerId: string, body: RetireAuthority): Promise<Authority>
  removeAuthority(request: CallerRequest, issuerId: string, body: RemoveAuthority): Promise<Authority>
}

export interface StoredAnswer {
  status: number
  body: unknown
  body_sha256: string
}

/** The whole plane of one process, as compose.ts puts it together. */
export interface Plane {
  verbs: Verbs
  /** What a handshake showed, or undefined when none of our issuers signed it: then no HTTP is spoken. CPU only. */
  present(certificate: X509Certificate): Presented | undefined
  /** The decision about a presented certificate; throws a ControlError with a 401 code, or store_unavailable. */
  admit(presented: Presented, source: Source): Promise<Admitted>
  answers: {
    /** The answer kept for an Idempotency-Key, if it is younger than 24 h. */
    find(key: string): Promise<StoredAnswer | undefined>
    /** Keeps the answer of a request that changed nothing. When another answer was first, that one is returned. */
    keep(once: Once, body: unknown): Promise<StoredAnswer | undefined>
  }
  /** Makes an agent's event stream known before it begins; `instance` is random per start of the agent. */
  attachAgent(request: CallerRequest, instance: string): Promise<Attached>
  /** Asks the connected holders of an issuer's certificates to renew, each at a moment of its own within `milliseconds`. */
  askToRenew(issuerId: string, milliseconds: number): void
  /** Makes or finds an admin and has its request signed: for bootstrap alone, never behind a route. */
  registerAdmin(admin: { principal_id: string; csr_pem: string }): Promise<IssuedCertificate>
  trustBundle(): TrustBundle
  /** Certificates of the known issuers by issuer_id, DER; removed ones included. */
  issuerCertificates(): Map<string, Buffer>
  /** Roots and trusted issuers, PEM: what clients are told to choose their certificate by. */
  authoritiesPem(): string[]
  /** Unix milliseconds at which the issuer that signs ends; undefined when none is known. */
  issuerEnd(): number | undefined
  /** Called when the registry has brought other issuers, or other states of them. */
  onAuthoritiesChange(listener: () => void): void
  /** Answers an OCSP request, DER; never rejects. */
  answerOcsp(request: Buffer): Promise<OcspAnswer>
  /** The newest CRL of an issuer; `pending` when there will be one soon, undefined for an unknown issuer. */
  crl(issuerId: string): HeldCrl | 'pending' | undefined
  /** Publishes a CRL at once; `final`: the last one of an issuer that is removed, good until its certificate ends. */
  publishCrl(issuerId: string, how?: { final?: boolean }): Promise<CrlHead>
  /** Roots, issuers or the server's certificate were replaced; what the new ones do not vouch for is cut off. */
  trustChanged(): void
  /** Names of the readiness checks that fail now; empty when ready. */
  failingChecks(): string[]
  /** Reads which issuers the registry knows, before anybody is let in; a store that does not answer is not waited for long. */
  prepare(): Promise<void>
  /** Starts polling the feed, the re-read loop and the revocation worker. */
  start(): Promise<void>
  stop(): Promise<void>
}
