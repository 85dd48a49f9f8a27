// Validates a document by the keywords of JSON Schema that the schemas in docs/ use.

type Schema = Readonly<Record<string, unknown>>

/** Whether the document is valid by a schema whose references are within itself. */
export function isValid(root: Schema, document: unknown): boolean {
  const validates = (schema: Schema, value: unknown): boolean =>
    Object.entries(schema).every(([keyword, argument]) => {
      const check = keywords[keyword]
      if (check === undefined) throw new Error(`the keyword ${keyword} is not known`)
      return check(argument as never, value, schema)
    })
  const each = (schemas: readonly Schema[], value: unknown): number =>
    schemas.filter((schema) => validates(schema, value)).length
  const ignored = (): boolean => true

  const keywords: Readonly<Record<string, (argument: never, value: unknown, schema: Schema) => boolean>> = {
    $schema: ignored,
    title: ignored,
    description: ignored,
    $defs: ignored,
    patternProperties: ignored,
    $ref: (reference: string, value) => validates(definitionOf(root, reference), value),
    type: (types: string | readonly string[], value) => [types].flat().some((type) => isOfType(value, type)),
    enum: (allowed: readonly unknown[], value) => allowed.includes(value),
    const: (wanted: unknown, value) => value === wanted,
    pattern: (pattern: string, value) => typeof value !== 'string' || new RegExp(pattern, 'u').test(value),
    minLength: (least: number, value) => typeof value !== 'string' || value.length >= least,
    maxLength: (most: number, value) => typeof value !== 'string' || value.length <= most,
    minimum: (least: number, value) => typeof value !== 'number' || value >= least,
    minItems: (least: number, value) => !Array.isArray(value) || value.length >= least,
    maxItems: (most: number, value) => !Array.isArray(value) || value.length <= most,
    minProperties: (least: number, value) => !isObject(value) || Object.keys(value).length >= least,
    items: (schema: Schema, value) => !Array.isArray(value) || value.every((item) => validates(schema, item)),
    required: (keys: readonly string[], value) =>
      !isObject(value) || keys.every((key) => Object.hasOwn(value, key)),
    properties: (schemas: Readonly<Record<string, Schema>>, value) =>
      !isObject(value) ||
      Object.entries(schemas).every(
        ([key, schema]) => !Object.hasOwn(value, key) || validates(schema, value[key]),
      ),
    additionalProperties: (additional: Schema | false, value, schema) =>
      !isObject(value) ||
      Object.entries(value).every(([key, one]) => {
        if (Object.hasOwn(Object(schema['properties']) as object, key)) return true
        const patterns = Object.entries(
          (schema['patternProperties'] ?? {}) as Readonly<Record<string, Schema>>,
        )
        const matching = patterns.filter(([pattern]) => new RegExp(pattern, 'u').test(key))
        if (matching.length > 0) return matching.every(([, of]) => validates(of, one))
        return additional !== false && validates(additional, one)
      }),
    dependentSchemas: (schemas: Readonly<Record<string, Schema>>, value) =>
      !isObject(value) ||
      Object.entries(schemas).every(
        ([key, schema]) => !Object.hasOwn(value, key) || validates(schema, value),
      ),
    anyOf: (schemas: readonly Schema[], value) => each(schemas, value) > 0,
    oneOf: (schemas: readonly Schema[], value) => each(schemas, value) === 1,
    not: (schema: Schema, value) => !validates(schema, value),
  }
  return validates(root, document)
}

function definitionOf(root: Schema, reference: string): Schema {
  const found = (root['$defs'] as Readonly<Record<string, Schema>>)[reference.replace('#/$defs/', '')]
  if (found === undefined) throw new Error(`${reference} is not in the schema`)
  return found
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'object') return isObject(value)
  if (type === 'array') return Array.isArray(value)
  if (type === 'integer') return Number.isInteger(value)
  return typeof value === type
}
