// A JSON Schema in the words of a type, which people read faster.
import type { JsonSchema } from '../../shared/openapi/components.ts';

export function schemaText(schema: JsonSchema, indent = ''): string {
  const {
    $ref,
    anyOf,
    oneOf,
    allOf,
    const: constant,
    enum: values,
  } = schema as {
    $ref?: string;
    anyOf?: JsonSchema[];
    oneOf?: JsonSchema[];
    allOf?: JsonSchema[];
    const?: unknown;
    enum?: unknown[];
  };
  if ($ref !== undefined) return $ref.split('/').at(-1)!;
  if (constant !== undefined) return JSON.stringify(constant);
  if (values) return values.map((value) => JSON.stringify(value)).join(' | ');
  const choices = anyOf ?? oneOf;
  if (choices) return choices.map((choice) => schemaText(choice, indent)).join(' | ');
  if (allOf) return allOf.map((part) => schemaText(part, indent)).join(' & ');
  if (schema.type === 'object') return objectText(schema, indent);
  if (schema.type === 'array')
    return `[${schemaText((schema.items ?? {}) as JsonSchema, indent)}, …]${bounds(schema)}`;
  return `${schema.type ?? 'anything'}${bounds(schema)}`;
}

function objectText(schema: JsonSchema, indent: string): string {
  const {
    properties,
    required = [],
    additionalProperties,
  } = schema as {
    properties?: Record<string, JsonSchema>;
    required?: string[];
    additionalProperties?: JsonSchema | boolean;
  };
  if (!properties) {
    const values =
      typeof additionalProperties === 'object' ? schemaText(additionalProperties, indent) : 'anything';
    return `{ [name]: ${values} }`;
  }
  const inner = `${indent}  `;
  const lines = Object.entries(properties).map(([name, property]) => {
    const fallback = property.default === undefined ? '' : ` = ${JSON.stringify(property.default)}`;
    return `${inner}${name}${required.includes(name) ? '' : '?'}: ${schemaText(property, inner)}${fallback}`;
  });
  return lines.length === 0 ? '{}' : `{\n${lines.join('\n')}\n${indent}}`;
}

const SAID: [keyword: string, words: string][] = [
  ['minimum', 'from'],
  ['maximum', 'to'],
  ['exclusiveMinimum', 'above'],
  ['minLength', 'at least'],
  ['maxLength', 'at most'],
  ['minItems', 'at least'],
  ['maxItems', 'at most'],
];
/** Longer ones say less than their format does. */
const MAX_PATTERN_CHARS = 40;

function bounds(schema: JsonSchema): string {
  const said = SAID.flatMap(([keyword, words]) => {
    const value = schema[keyword];
    return value === undefined || value === Number.MAX_SAFE_INTEGER ? [] : [`${words} ${value}`];
  });
  if (typeof schema.format === 'string') said.push(schema.format);
  const pattern = schema.pattern;
  if (typeof pattern === 'string' && pattern.length <= MAX_PATTERN_CHARS) said.push(pattern);
  return said.length === 0 ? '' : ` (${said.join(', ')})`;
}
