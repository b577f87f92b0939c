// Types of every call, from the schemas that the routes validate with. Nothing of this file is left at run time.
import type { z } from 'zod';
import type { OPERATIONS } from '../openapi/operations.ts';

type Table = typeof OPERATIONS;
/** `POST /v1/uploads`, as the document names it. */
export type CallName = keyof Table;

type ParamNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamNames<Rest>
  : never;

/** What a body of JSON may be; bytes and text where it is none. */
type BodyOf<Op> = Op extends { body: infer Body }
  ? Body extends z.ZodType
    ? z.input<Body>
    : BodyInit
  : never;
type QueryOf<Op> = Op extends { query: infer Query extends z.ZodType } ? LooseNumbers<z.input<Query>> : never;
/** A number of a query is text on its way, so its schema takes anything. */
type LooseNumbers<Query> = { [Name in keyof Query]: unknown extends Query[Name] ? number : Query[Name] };

/** Without those that no call here ends with: it asks for no WebSocket and has no copy of its own. */
type Successes<Op> = Op extends { answers: infer Answers }
  ? Answers[Exclude<keyof Answers, 101 | 304>]
  : never;
type AnswerOf<Success> = Success extends z.ZodType
  ? z.output<Success>
  : Success extends { media: string }
    ? Response
    : undefined;

type Field<Name extends string, Value, IsOptional> = [Value] extends [never]
  ? unknown
  : IsOptional extends true
    ? { [Key in Name]?: Value }
    : { [Key in Name]: Value };
/** Whether an object without any member would do. */
type IsOptional<Value> = object extends Value ? true : false;

/** What a call takes beside its name. */
export type CallInput<Name extends CallName> = Field<
  'params',
  ParamNames<Name> extends never ? never : Record<ParamNames<Name>, string | number>,
  false
> &
  Field<'query', QueryOf<Table[Name]>, IsOptional<QueryOf<Table[Name]>>> &
  Field<
    'body',
    BodyOf<Table[Name]>,
    Table[Name] extends { isBodyOptional: true } ? true : IsOptional<BodyOf<Table[Name]>>
  > &
  CallOptions;

export type CallOptions = {
  headers?: Record<string, string>;
  /** Of a POST: sent again with the same one, it does its work once. The client makes one where there is none. */
  idempotencyKey?: string;
  signal?: AbortSignal;
};

/** JSON as its schema says, the response itself where it is no JSON, undefined where there is no body. */
export type CallAnswer<Name extends CallName> = AnswerOf<Successes<Table[Name]>>;

/** Calls without a single thing that must be said need no second argument. */
export type CallArguments<Name extends CallName> =
  object extends CallInput<Name> ? [input?: CallInput<Name>] : [input: CallInput<Name>];

/** Calls that answer a page and where the next one begins. */
export type PagedName = {
  [Name in CallName]: CallAnswer<Name> extends { nextCursor?: string | undefined } ? Name : never;
}[CallName];
/** What the pages of a call are lists of. */
export type PageItem<Answer> = {
  [Key in keyof Answer]-?: Answer[Key] extends (infer Item)[] ? Item : never;
}[keyof Answer];
