// The OpenAPI 3.1 document, made from the table of operations. https://spec.openapis.org/oas/v3.1.1
import type { z } from 'zod';
import { ERRORS, type ErrorCode } from '../errors.ts';
import { type JsonSchema, type SchemaBook, schemaBook } from './components.ts';
import {
  type Answer,
  errorsOf,
  isMedia,
  type Media,
  type Operation,
  type OperationKey,
  splitKey,
  TAGS,
} from './operation.ts';
import { allOperations } from './operations.ts';

export const API_VERSION = '0.1.0';

export type Parameter = {
  name: string;
  in: 'path' | 'query' | 'header';
  required: boolean;
  description?: string;
  schema: JsonSchema;
};
export type Body = { description: string; content?: Record<string, { schema: JsonSchema }> };
export type DocumentedOperation = {
  operationId: string;
  summary: string;
  description: string;
  tags: string[];
  security: Record<string, string[]>[];
  parameters?: Parameter[];
  requestBody?: Body & { required: boolean };
  responses: Record<string, Body>;
};
export type OpenApiDocument = {
  openapi: string;
  info: { title: string; version: string; description: string };
  servers: { url: string }[];
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, DocumentedOperation>>;
  components: { schemas: Record<string, JsonSchema>; securitySchemes: Record<string, unknown> };
};

/** @param origin where the API is, such as `https://video.example.com` */
export function openApiDocument(origin: string): OpenApiDocument {
  const book = schemaBook();
  const paths: OpenApiDocument['paths'] = {};
  for (const [key, operation] of allOperations()) {
    const { method, path } = splitKey(key);
    paths[path] = { ...paths[path], [method.toLowerCase()]: documented(key, operation, book) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Reelay',
      version: API_VERSION,
      description:
        'All answers are JSON in camelCase, times are RFC 3339, failures are `application/problem+json` with a `code`. ' +
        'Another owner’s ids are 404. Answers gain fields in later versions; clients ignore what they do not know.',
    },
    servers: [{ url: origin }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: book.components,
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'A JWT with `sub` and `role`, or an API key.',
        },
      },
    },
  };
}

const ROLES: Record<Operation['access'], string> = {
  anyone: 'For anyone.',
  'path-token': 'The token in the path is what lets one in.',
  'any-role': 'For every role.',
  viewer: 'For admins, uploaders and viewers.',
  uploader: 'For admins and uploaders.',
  admin: 'For admins.',
};

function documented(key: OperationKey, operation: Operation, book: SchemaBook): DocumentedOperation {
  const { summary, about, tag, access, body, answers } = operation;
  const { method } = splitKey(key);
  const parameters = parametersOf(key, operation, book);
  const successes = Object.entries(answers).map(([status, answer]): [string, Body] => [
    status,
    answerBody(answer, book),
  ]);
  return {
    operationId: operationIdOf(key),
    summary,
    description: [about, ROLES[access]].filter(Boolean).join(' '),
    tags: [tag],
    security: access === 'anyone' || access === 'path-token' ? [] : [{ bearer: [access] }],
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: !operation.isBodyOptional, ...requestBody(body, book) } }),
    responses: { ...Object.fromEntries(successes), ...failures(errorsOf(key, operation), method === 'HEAD') },
  };
}

const PATH_SCHEMAS: Record<string, JsonSchema> = { number: { type: 'integer', minimum: 1, maximum: 10_000 } };

function parametersOf(key: OperationKey, operation: Operation, book: SchemaBook): Parameter[] {
  const inPath = [...key.matchAll(/\{(\w+)\}/g)].map(([, name]): Parameter => {
    return { name: name!, in: 'path', required: true, schema: PATH_SCHEMAS[name!] ?? { type: 'string' } };
  });
  const inHeaders = Object.entries({
    ...operation.headers,
    ...(operation.isIdempotent && {
      'Idempotency-Key': 'Sent again with the same request within 24 hours, it does its work once.',
    }),
  }).map(([name, description]): Parameter => {
    const isRequired = name === 'Tus-Resumable' || name === 'Upload-Offset';
    return { name, in: 'header', required: isRequired, description, schema: { type: 'string' } };
  });
  return [...inPath, ...queryParameters(operation.query, book), ...inHeaders];
}

function queryParameters(query: z.ZodObject | undefined, book: SchemaBook): Parameter[] {
  if (!query) return [];
  const { properties = {}, required = [] } = book.request(query) as {
    properties?: Record<string, JsonSchema>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => {
    return { name, in: 'query', required: required.includes(name), schema };
  });
}

function requestBody(body: z.ZodType | Media, book: SchemaBook): Body {
  if (!isMedia(body))
    return { description: 'JSON.', content: { 'application/json': { schema: book.request(body) } } };
  return { description: body.about, content: { [body.media]: { schema: {} } } };
}

function answerBody(answer: Answer, book: SchemaBook): Body {
  if (answer === null) return { description: 'Without a body.' };
  if (isMedia(answer)) return { description: answer.about, content: { [answer.media]: { schema: {} } } };
  return { description: 'JSON.', content: { 'application/json': { schema: book.answer(answer) } } };
}

/** One response for each status, with the codes that come with it. */
function failures(codes: readonly ErrorCode[], isBodiless: boolean): Record<string, Body> {
  const statuses = [...new Set(codes.map((code) => ERRORS[code].status))];
  return Object.fromEntries(
    statuses.map((status) => {
      const its = codes.filter((code) => ERRORS[code].status === status);
      const description = its.map((code) => `\`${code}\`: ${ERRORS[code].title}.`).join(' ');
      const schema = {
        $ref: '#/components/schemas/Problem',
        properties: { status: { const: status }, code: { enum: its } },
      };
      const content = { 'application/problem+json': { schema } };
      return [String(status), { description, ...(!isBodiless && { content }) }];
    }),
  );
}

/** `POST /v1/uploads/{id}/parts` is `postUploadsByIdParts`. */
function operationIdOf(key: OperationKey): string {
  const { method, path } = splitKey(key);
  const words = path
    .replace(/^\/v1\//, '/')
    .replaceAll('{', 'by-')
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean);
  return method.toLowerCase() + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('');
}
