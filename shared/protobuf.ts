// The little of Protocol Buffers that key systems need (https://protobuf.dev/programming-guides/encoding/): fields by
// number, without a schema.

export type ProtobufField = { number: number; value: number | Uint8Array };

const VARINT = 0;
const FIXED_64 = 1;
const BYTES = 2;
const FIXED_32 = 5;

/** Whole numbers are written as varints; text and bytes with their length. */
export function protobuf(
  fields: readonly { number: number; value: number | string | Uint8Array }[],
): Uint8Array {
  return Uint8Array.from(
    fields.flatMap(({ number, value }) => {
      if (typeof value === 'number') return [...varint((number << 3) | VARINT), ...varint(value)];
      const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
      return [...varint((number << 3) | BYTES), ...varint(bytes.length), ...bytes];
    }),
  );
}

/** The varints and byte strings of a message; undefined for what is none. Numbers of fixed width are left out. */
export function protobufFields(message: Uint8Array): ProtobufField[] | undefined {
  const fields: ProtobufField[] = [];
  let place = 0;
  const number = (): number => {
    let value = 0;
    for (let factor = 1; place < message.length; factor *= 128) {
      const byte = message[place++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      if (factor > 2 ** 63) break;
    }
    return Number.NaN;
  };
  while (place < message.length) {
    const tag = number();
    const field = Math.floor(tag / 8);
    if (!(field > 0)) return undefined;
    const kind = tag % 8;
    if (kind === VARINT) {
      const value = number();
      if (Number.isNaN(value)) return undefined;
      fields.push({ number: field, value });
      continue;
    }
    const length = kind === BYTES ? number() : kind === FIXED_64 ? 8 : kind === FIXED_32 ? 4 : Number.NaN;
    if (!(place + length <= message.length)) return undefined;
    if (kind === BYTES) fields.push({ number: field, value: message.subarray(place, place + length) });
    place += length;
  }
  return fields;
}

/** Of the byte strings of one field, in their order. */
export function bytesOfField(fields: readonly ProtobufField[], number: number): Uint8Array[] {
  return fields.flatMap((field) =>
    field.number === number && typeof field.value !== 'number' ? [field.value] : [],
  );
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return [...bytes, rest];
}
