import { z } from 'zod';

/**
 * The configuration that `schema` describes, from a process's environment; all problems are reported together.
 * @throws Error naming every missing or wrong variable
 */
export function parseVariables<Schema extends z.ZodType>(
  schema: Schema,
  variables: Record<string, string | undefined>,
): z.output<Schema> {
  // An empty variable is an unset one, as in compose files.
  const given = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
  const result = schema.safeParse(given);
  if (!result.success) throw new Error(`configuration:\n${z.prettifyError(result.error)}`);
  return result.data;
}
