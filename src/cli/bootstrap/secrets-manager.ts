import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import type { SecretName, SecretShelf } from '../../authority/bootstrap/shelves.ts'
import { callAws } from './aws-failures.ts'
import { clientOptions } from './client-options.ts'

/** Marks what was put there and is not yet the current version. */
const stagedLabel = 'BOOTSTRAP'
const currentLabel = 'AWSCURRENT'

export interface SecretsManager extends SecretShelf {
  close(): void
}

/** The secrets under `prefix`, e.g. `/airunner/prod`. They are Terraform's, without a version at first. */
export const openSecretsManager = (prefix: string, region: string | undefined): SecretsManager => {
  const client = new SecretsManagerClient(clientOptions(region))
  const pathOf = (name: SecretName) => `${prefix}/${name}`
  return {
    versions: async (name) => {
      const {
        VersionIdsToStages: labels = {},
        KmsKeyId,
        LastChangedDate,
      } = await callAws(`look at the secret ${pathOf(name)}`, region, () =>
        client.send(new DescribeSecretCommand({ SecretId: pathOf(name) })),
      )
      const current = Object.entries(labels).find(([, stages]) => stages.includes(currentLabel))
      return {
        ids: Object.keys(labels),
        current: current?.[0],
        ...(LastChangedDate === undefined ? {} : { changed_at: LastChangedDate.getTime() }),
        ...(KmsKeyId === undefined ? {} : { kms_key: KmsKeyId }),
      }
    },
    read: async (name, version) => {
      try {
        const { SecretString } = await client.send(
          new GetSecretValueCommand({ SecretId: pathOf(name), VersionId: version }),
        )
        return SecretString
      } catch (error) {
        // The secret itself is there: `versions` was asked first.
        if ((error as Error).name === 'ResourceNotFoundException') return undefined
        return callAws(`read the secret ${pathOf(name)}`, region, () => Promise.reject(error))
      }
    },
    stage: async (name, version, text, abortSignal) => {
      // The id makes a repetition of the same call harmless, and another text under it is refused.
      await callAws(`write the secret ${pathOf(name)}`, region, () =>
        client.send(
          new PutSecretValueCommand({
            SecretId: pathOf(name),
            ClientRequestToken: version,
            SecretString: text,
            VersionStages: [stagedLabel],
          }),
          abortSignal === undefined ? {} : { abortSignal },
        ),
      )
    },
    promote: async (name, version, from, abortSignal) => {
      await callAws(`make a version of the secret ${pathOf(name)} the current one`, region, () =>
        client.send(
          new UpdateSecretVersionStageCommand({
            SecretId: pathOf(name),
            VersionStage: currentLabel,
            MoveToVersionId: version,
            ...(from === undefined ? {} : { RemoveFromVersionId: from }),
          }),
          abortSignal === undefined ? {} : { abortSignal },
        ),
      )
    },
    close: () => client.destroy(),
  }
}
