// The schemas that have a name in the document; all others stand where they are used.
import { z } from 'zod';
import { QoeAnswer, QualityOfExperience, VideoAnalytics } from '../analytics-api.ts';
import * as api from '../api.ts';
import { ApiKeyInfo, ApiKeyList, CreateApiKey, CreatedApiKey } from '../api-keys.ts';
import { LegacyAccepted, LegacyStatus } from '../legacy-api.ts';
import { Stats } from '../metrics-api.ts';
import * as migration from '../migration-api.ts';
import { ClearKeyLicense, LicenseRequest, PlayAnswer, PlayRequest, RenewRequest } from '../play-api.ts';
import { PreflightAnswer } from '../preflight-answer.ts';
import { PrewarmAnswer, PrewarmRequest } from '../prewarm-api.ts';
import { Problem } from '../problem.ts';
import { Receipt } from '../receipt.ts';
import { Recommendations, RecommendRun } from '../recommend-api.ts';
import { RoomRequest, RoomTicket, RoomView } from '../room-api.ts';
import { SubtitleInfo, SubtitleList } from '../subtitle-api.ts';
import { WatchAnswer, WatchRequest } from '../watch-api.ts';
import * as webhook from '../webhook-api.ts';

const REQUESTS: Record<string, z.ZodType> = {
  CreateUpload: api.CreateUpload,
  CompleteUpload: api.CompleteUpload,
  CreateImport: api.CreateImport,
  VideoInput: api.VideoInput,
  VideoPatch: api.VideoPatch,
  TranscodeRequest: api.TranscodeRequest,
  PlayRequest,
  RenewRequest,
  LicenseRequest,
  PrewarmRequest,
  WatchRequest,
  RoomRequest,
  CreateApiKey,
  CreateWebhook: webhook.CreateWebhook,
  WebhookPatch: webhook.WebhookPatch,
  CreateMigration: migration.CreateMigration,
  RegisterItems: migration.RegisterItems,
  ItemReport: migration.ItemReport,
};

const ANSWERS: Record<string, z.ZodType> = {
  Problem,
  CreatedUpload: api.CreatedUpload,
  UploadStatus: api.UploadStatus,
  UploadedPart: api.UploadedPart,
  PresignedPart: api.PresignedPart,
  CompletedUpload: api.CompletedUpload,
  CreatedImport: api.CreatedImport,
  PreflightAnswer,
  Video: api.Video,
  VideoList: api.VideoList,
  RenditionInfo: api.RenditionInfo,
  AudioInfo: api.AudioInfo,
  SubtitleInfo,
  SubtitleList,
  Job: api.Job,
  Receipt,
  AcceptedJob: api.AcceptedJob,
  Ticket: api.Ticket,
  PlayAnswer,
  ClearKeyLicense,
  PrewarmAnswer,
  WatchAnswer,
  RoomTicket,
  RoomView,
  Stats,
  VideoAnalytics,
  QualityOfExperience,
  QoeAnswer,
  Recommendations,
  RecommendRun,
  ApiKeyInfo,
  ApiKeyList,
  CreatedApiKey,
  Webhook: webhook.Webhook,
  WebhookList: webhook.WebhookList,
  CreatedWebhook: webhook.CreatedWebhook,
  Delivery: webhook.Delivery,
  DeliveryList: webhook.DeliveryList,
  Migration: migration.Migration,
  MigrationList: migration.MigrationList,
  MigrationItem: migration.MigrationItem,
  MigrationItemList: migration.MigrationItemList,
  BucketListing: migration.BucketListing,
  LegacyAccepted,
  LegacyStatus,
};

export type JsonSchema = { [keyword: string]: unknown };

export type SchemaBook = {
  /** For `components.schemas`. */
  components: Record<string, JsonSchema>;
  /** Of a body that is sent; a reference where the schema has a name. */
  request(schema: z.ZodType): JsonSchema;
  answer(schema: z.ZodType): JsonSchema;
};

export function schemaBook(): SchemaBook {
  const requests = namesOf(REQUESTS);
  const answers = namesOf(ANSWERS);
  return {
    components: { ...componentsOf(requests, 'input'), ...componentsOf(answers, 'output') },
    request: (schema) => written(schema, requests, 'input'),
    answer: (schema) => written(schema, answers, 'output'),
  };
}

type Names = ReturnType<typeof namesOf>;
type Direction = 'input' | 'output';

function namesOf(schemas: Record<string, z.ZodType>) {
  const names = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(schemas)) names.add(schema, { id });
  return names;
}

function componentsOf(names: Names, io: Direction): Record<string, JsonSchema> {
  const { schemas } = z.toJSONSchema(names, { ...choices(io), uri: refOf });
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, bare(schema as JsonSchema)]));
}

function written(schema: z.ZodType, names: Names, io: Direction): JsonSchema {
  const id = names.get(schema)?.id;
  return id === undefined ? bare(z.toJSONSchema(schema, choices(io)) as JsonSchema) : { $ref: refOf(id) };
}

function refOf(id: string): string {
  return `#/components/schemas/${id}`;
}

function choices(io: Direction) {
  return {
    io,
    override: ({ jsonSchema }: { jsonSchema: JsonSchema }) => {
      if (io === 'input') return;
      // Later versions add fields to answers, and what zod says of every integer helps nobody.
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  };
}

function bare({ $schema: _, $id: __, ...schema }: JsonSchema): JsonSchema {
  return schema;
}
