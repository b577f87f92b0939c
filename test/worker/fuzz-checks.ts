// What an answer must be: of a status that is documented, with a body that its schema takes as it stands.
import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020.js';
import { isErrorCode } from '../../shared/errors.ts';
import type { JsonSchema } from '../../shared/openapi/components.ts';
import type { DocumentedOperation, OpenApiDocument } from '../../shared/openapi/document.ts';

export type Finding = { kind: '5xx' | 'undocumented status' | 'schema'; what: string };
export type Answered = {
  /** What the request was taken for: tus lets a header name another. */
  method: string;
  pathname: string;
  status: number;
  contentType: string;
  /** Undefined of a HEAD. */
  text: string | undefined;
};

type Route = { pattern: RegExp; template: string; methods: Record<string, DocumentedOperation> };

export class FuzzChecks {
  readonly #routes: Route[];
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  readonly #validators = new Map<string, ValidateFunction>();

  constructor(document: OpenApiDocument) {
    // Clients take fields they do not know; here one that nobody wrote down is a finding.
    this.#ajv.addSchema({ $id: 'api', components: { schemas: closed(document.components.schemas) } });
    this.#routes = Object.entries(document.paths)
      .map(([template, methods]) => ({ pattern: patternOf(template), template, methods }))
      .sort(
        // The more a path says of its own, the sooner.
        ({ template: a }, { template: b }) => parametersIn(a) - parametersIn(b) || b.length - a.length,
      );
  }

  findings(answered: Answered): Finding[] {
    const { method, pathname, status, contentType, text = '' } = answered;
    const isBodiless = answered.text === undefined;
    const found: Finding[] = [];
    const tell = (kind: Finding['kind'], what: string) => found.push({ kind, what });
    if (status >= 500) tell('5xx', `${status} ${text.slice(0, 300)}`);
    const route = this.#routes.find(({ pattern }) => pattern.test(pathname));
    const operation = route && operationOf(route.methods, method);
    if (!route || !operation) {
      if (method === 'OPTIONS' && status === 204) return found;
      if (status < 400) tell('undocumented status', `${status} where nothing is documented`);
      else if (!isBodiless) this.#checkProblem(text, status, undefined, tell);
      return found;
    }
    const response = operation.responses[String(status)];
    if (!response) {
      tell('undocumented status', `${status} ${text.slice(0, 300)}`);
      return found;
    }
    if (isBodiless) return found;
    const [media, { schema = {} } = {}] = Object.entries(response.content ?? {})[0] ?? [];
    if (media === undefined) {
      if (text !== '') tell('schema', `a body where none is documented: ${text.slice(0, 100)}`);
    } else if (media === 'application/problem+json') {
      this.#checkProblem(text, status, schema, tell);
    } else if (media === 'application/json') {
      if (!contentType.startsWith('application/json')) tell('schema', `Content-Type ${contentType}`);
      this.#checkBody(`${route.template} ${method} ${status}`, schema, text, tell);
    } else if (media !== '*/*' && !contentType.startsWith(media))
      tell('schema', `Content-Type ${contentType}`);
    return found;
  }

  /** All problems are of one schema; what differs by operation is the list of codes. */
  #checkProblem(
    text: string,
    status: number,
    schema: JsonSchema | undefined,
    tell: (kind: Finding['kind'], what: string) => void,
  ): void {
    const problem = parsed(text) as { code?: unknown; status?: unknown } | undefined;
    const { code: { enum: codes } = {} } = (schema?.properties ?? {}) as { code?: { enum?: unknown[] } };
    if (!isErrorCode(problem?.code)) tell('schema', `${status} without a code: ${text.slice(0, 200)}`);
    else if (problem.status !== status)
      tell('schema', `a problem of ${problem.status} answered as ${status}`);
    else if (codes && !codes.includes(problem.code)) tell('schema', `${problem.code} is not documented here`);
    else this.#checkBody('problem', { $ref: '#/components/schemas/Problem' }, text, tell);
  }

  #checkBody(
    name: string,
    schema: JsonSchema,
    text: string,
    tell: (kind: Finding['kind'], what: string) => void,
  ): void {
    let validate = this.#validators.get(name);
    if (!validate) {
      const whole = JSON.stringify(closed(schema)).replaceAll('"#/components', '"api#/components');
      validate = this.#ajv.compile(JSON.parse(whole));
      this.#validators.set(name, validate);
    }
    const value = parsed(text);
    if (value === undefined) tell('schema', `no JSON: ${text.slice(0, 100)}`);
    else if (!validate(value)) {
      const problems = validate.errors!.map(({ instancePath, message, params }) => {
        return `${instancePath} ${message} ${JSON.stringify(params)}`;
      });
      tell('schema', `${problems.slice(0, 3).join('; ')} in ${text.slice(0, 300)}`);
    }
  }
}

/** HEAD is answered where GET is. */
function operationOf(
  methods: Record<string, DocumentedOperation>,
  method: string,
): DocumentedOperation | undefined {
  return methods[method.toLowerCase()] ?? (method === 'HEAD' ? methods.get : undefined);
}

function patternOf(template: string): RegExp {
  const isOpenEnded = /^\/(p|hls)\//.test(template);
  const pattern = template.replace(/\{(\w+)\}/g, (_, name) =>
    isOpenEnded && (name === 'key' || name === 'name') ? '.*' : '[^/]+',
  );
  return new RegExp(`^${pattern.replaceAll('.json', '\\.json')}$`);
}

function parametersIn(template: string): number {
  return template.split('{').length;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The schema with every object closed that does not say it is open. */
function closed<T>(schema: T): T {
  if (Array.isArray(schema)) return schema.map(closed) as T;
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]));
  const isOpen = inner.type !== 'object' || !('properties' in inner) || 'additionalProperties' in inner;
  return (isOpen ? inner : { ...inner, additionalProperties: false }) as T;
}
