// Values from JSON Schemas: those a schema takes, those that miss it by one thing, and those from nowhere.
import fc, { type Arbitrary } from 'fast-check';
import type { JsonSchema } from '../../shared/openapi/components.ts';

export type Components = Record<string, JsonSchema>;

const DATES = ['2026-11-20', '2020-02-29', '1999-12-31', '2026-10-01'];
const INSTANTS = ['2026-11-20T10:00:00Z', '2026-11-19T23:59:59.999+02:00', '1970-01-01T00:00:00Z'];
const SMALL = 64;

/** An object that lies in the bucket. */
export const STORED_KEY = 'library/a.mp4';
/** Stand for a session and a video of the caller. */
export const OWN_SESSION = '@session';
export const OWN_VIDEO = '@video';
/** What a schema alone does not tell of what makes sense. */
const LIKELY: Record<string, Arbitrary<unknown>> = {
  // Files of a few bytes can be sent whole.
  sizeBytes: fc.integer({ min: 16, max: SMALL }),
  url: fc.constantFrom(
    'https://example.com/a.mp4',
    'https://example.com/hook',
    'http://127.0.0.1/x',
    'ftp://x/y',
  ),
  bucketKey: fc.constant(STORED_KEY),
  sessionId: fc.constant(OWN_SESSION),
  videoId: fc.constant(OWN_VIDEO),
  numbers: fc.constantFrom([1], [1, 2], [10_000]),
  deviceId: fc.constantFrom('tv', 'phone'),
  contentId: fc.constantFrom('7', '8', 'film-1'),
  regions: fc.constantFrom([], ['DE'], ['weur', 'enam']),
};

/** What the schema takes, small more often than not. */
export function validOf(schema: JsonSchema, components: Components): Arbitrary<unknown> {
  const {
    $ref,
    const: constant,
    enum: values,
    anyOf,
    oneOf,
  } = schema as {
    $ref?: string;
    const?: unknown;
    enum?: unknown[];
    anyOf?: JsonSchema[];
    oneOf?: JsonSchema[];
  };
  if ($ref !== undefined) return validOf(components[$ref.split('/').at(-1)!]!, components);
  if (constant !== undefined) return fc.constant(constant);
  if (values) return fc.constantFrom(...values);
  const choices = anyOf ?? oneOf;
  if (choices) return fc.oneof(...choices.map((choice) => validOf(choice, components)));
  if (schema.type === 'object') return objectOf(schema, components);
  if (schema.type === 'array') {
    const {
      items = {},
      minItems = 0,
      maxItems = 4,
    } = schema as { items?: JsonSchema; minItems?: number; maxItems?: number };
    return fc.array(validOf(items, components), {
      minLength: minItems,
      maxLength: Math.min(maxItems, minItems + 3),
    });
  }
  if (schema.type === 'string') return stringOf(schema);
  if (schema.type === 'integer') return integerOf(schema);
  if (schema.type === 'number') return numberOf(schema);
  if (schema.type === 'boolean') return fc.boolean();
  if (schema.type === 'null') return fc.constant(null);
  return fc.jsonValue({ maxDepth: 2 });
}

function objectOf(schema: JsonSchema, components: Components): Arbitrary<unknown> {
  const {
    properties = {},
    required = [],
    additionalProperties,
  } = schema as {
    properties?: Record<string, JsonSchema>;
    required?: string[];
    additionalProperties?: JsonSchema | boolean;
  };
  if (Object.keys(properties).length === 0 && typeof additionalProperties === 'object') {
    return fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), validOf(additionalProperties, components), {
      maxKeys: 3,
    });
  }
  if ('url' in properties && 'bucketKey' in properties) {
    // Where both are known, one of them is meant.
    const { url: _, ...byKey } = properties;
    const { bucketKey: __, ...byUrl } = properties;
    return fc.oneof(
      objectOf({ ...schema, properties: byKey, required: [...required, 'bucketKey'] }, components),
      objectOf({ ...schema, properties: byUrl, required: [...required, 'url'] }, components),
    );
  }
  const arbitraries = Object.entries(properties).map(([name, property]): [string, Arbitrary<unknown>] => {
    const likely = LIKELY[name];
    const any = validOf(property, components);
    if (likely === undefined) return [name, any];
    return [name, fc.oneof({ weight: 4, arbitrary: likely }, { weight: 1, arbitrary: any })];
  });
  return fc.record(Object.fromEntries(arbitraries), { requiredKeys: required });
}

function stringOf(schema: JsonSchema): Arbitrary<string> {
  const {
    minLength = 0,
    maxLength = 40,
    pattern,
    format,
  } = schema as {
    minLength?: number;
    maxLength?: number;
    pattern?: string;
    format?: string;
  };
  if (format === 'uuid') return fc.uuid();
  if (format === 'date') return fc.constantFrom(...DATES);
  if (format === 'date-time') return fc.constantFrom(...INSTANTS);
  if (format === 'ipv4') return fc.ipV4();
  if (format === 'ipv6') return fc.ipV6();
  // Escapes of Unicode properties are more than fast-check reads; they stand for "no control characters".
  if (pattern !== undefined && !/\\p/i.test(pattern)) return fc.stringMatching(new RegExp(pattern));
  const length = { minLength, maxLength: Math.min(maxLength, minLength + 20) };
  return fc.oneof(
    fc.string({ ...length, unit: fc.constantFrom(...'abcXYZ019 -_.äß漢') }),
    fc.string({ ...length, unit: 'grapheme-ascii' }),
  );
}

function integerOf(schema: JsonSchema): Arbitrary<number> {
  const { minimum = -1000, maximum = Number.MAX_SAFE_INTEGER } = schema as {
    minimum?: number;
    maximum?: number;
  };
  const near = fc.integer({ min: minimum, max: Math.min(maximum, minimum + SMALL) });
  return fc.oneof(
    { weight: 3, arbitrary: near },
    { weight: 1, arbitrary: fc.integer({ min: minimum, max: maximum }) },
  );
}

function numberOf(schema: JsonSchema): Arbitrary<number> {
  const { minimum = -1e6, maximum = 1e9 } = schema as { minimum?: number; maximum?: number };
  return fc.double({ min: minimum, max: maximum, noNaN: true });
}

export const HOSTILE_TEXTS = [
  ...[
    '',
    ' ',
    '\u0000',
    '\u202e',
    '😀'.repeat(50),
    'a'.repeat(5000),
    '\ud800',
    '\uffff',
    'e\u0301',
    "' OR 1=1 --",
  ],
  ...[
    '../../etc/passwd',
    '<script>alert(1)</script>',
    '__proto__',
    'constructor',
    'null',
    'NaN',
    '-0',
    '1e999',
  ],
  ...['%00', '%2e%2e%2f', '$.a', '{{7*7}}', 'sources/', 'hls/', '0', '-1', '9'.repeat(40)],
];

/** Wrong things to stand where something else is wanted. */
export const HOSTILE_VALUES: unknown[] = [
  ...HOSTILE_TEXTS,
  ...[null, true, false, 0, -1, 0.5, 1e300, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER + 1, -(2 ** 63)],
  ...[
    [],
    {},
    [[[[]]]],
    [null],
    { a: { b: { c: {} } } },
    { length: -1 },
    Array.from({ length: 1000 }, () => 0),
  ],
];

/** A value that is right but for one place. */
export function nearlyOf(valid: Arbitrary<unknown>): Arbitrary<unknown> {
  return fc
    .tuple(
      valid,
      fc.nat(),
      fc.constantFrom('drop', 'swap', 'add', 'wrap'),
      fc.constantFrom(...HOSTILE_VALUES),
    )
    .map(([value, at, how, wrong]) => spoiled(value, at, how, wrong));
}

function spoiled(value: unknown, at: number, how: string, wrong: unknown): unknown {
  if (how === 'wrap') return [value];
  if (Array.isArray(value) && value.length > 0) {
    const index = at % value.length;
    return value.map((entry, place) => (place === index ? spoiled(entry, at >> 3, how, wrong) : entry));
  }
  if (typeof value !== 'object' || value === null) return wrong;
  const names = Object.keys(value);
  if (how === 'add' || names.length === 0) return { ...value, surplus: wrong };
  const name = names[at % names.length]!;
  const { [name]: held, ...rest } = value as Record<string, unknown>;
  if (how === 'drop') return rest;
  // One level down as often as here.
  const isDeep = typeof held === 'object' && held !== null && at % 2 === 0;
  return { ...rest, [name]: isDeep ? spoiled(held, at >> 3, how, wrong) : wrong };
}
