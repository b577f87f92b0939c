/** A file that is read in places. */
export type ByteSource = {
  sizeBytes: number;
  /** @throws BytesMissing where only parts of the file are at hand and these are not among them. */
  read(offset: number, length: number): Promise<Uint8Array>;
};

/** Not a fault of the file: nobody has looked there. */
export class BytesMissing extends Error {
  readonly offset: number;
  readonly length: number;

  constructor(offset: number, length: number) {
    super(`bytes ${offset} to ${offset + length} are not at hand`);
    this.name = 'BytesMissing';
    this.offset = offset;
    this.length = length;
  }
}

export type FileEnds = ByteSource & { tailOffset: number };

/** The first and the last bytes of a file; they may overlap or meet. */
export function endsOf(head: Uint8Array, tail: Uint8Array, sizeBytes: number): FileEnds {
  const tailOffset = sizeBytes - tail.length;
  return {
    sizeBytes,
    tailOffset,
    async read(offset, length) {
      const end = Math.min(offset + length, sizeBytes);
      if (end <= head.length) return head.subarray(offset, Math.max(offset, end));
      if (offset >= tailOffset) return tail.subarray(offset - tailOffset, end - tailOffset);
      if (tailOffset > head.length) throw new BytesMissing(offset, end - offset);
      const joined = new Uint8Array(end - offset);
      joined.set(head.subarray(offset));
      joined.set(tail.subarray(head.length - tailOffset, end - tailOffset), head.length - offset);
      return joined;
    },
  };
}
