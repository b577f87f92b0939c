// Bits of an H.264 unit, most significant first, and its numbers of varying length (ITU-T H.264 §7.2, §9.1).

export class BitReader {
  readonly #bytes: Uint8Array;
  #position = 0;

  /** @param bytes without emulation prevention */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Bits read so far. */
  get position(): number {
    return this.#position;
  }

  /** Up to 16 bits. @throws RangeError past the end */
  read(count: number): number {
    let value = 0;
    for (let index = 0; index < count; index++) {
      const byte = this.#bytes[this.#position >> 3];
      if (byte === undefined) throw new RangeError('The unit is cut short.');
      value = (value << 1) | ((byte >> (7 - (this.#position & 7))) & 1);
      this.#position++;
    }
    return value;
  }

  flag(): boolean {
    return this.read(1) === 1;
  }

  golomb(): number {
    let zeros = 0;
    while (!this.flag()) {
      if (++zeros > 31) throw new RangeError('A number of the unit is too long.');
    }
    let value = 1;
    for (let index = 0; index < zeros; index++) value = value * 2 + this.read(1);
    return value - 1;
  }

  signedGolomb(): number {
    const code = this.golomb();
    return code % 2 === 1 ? (code + 1) / 2 : -code / 2;
  }
}

/** Undoes the 0x03 bytes that keep a start code out of the payload. */
export function withoutEmulation(bytes: Uint8Array): Uint8Array {
  return bytes.filter((byte, index) => !(byte === 3 && bytes[index - 1] === 0 && bytes[index - 2] === 0));
}

/** Skips `count` scaling lists of a parameter set, the first six of 16 numbers (ITU-T H.264 §7.3.2.1.1.1). */
export function skipScalingLists(bits: BitReader, count: number): void {
  for (let list = 0; list < count; list++) {
    if (!bits.flag()) continue;
    let last = 8;
    let next = 8;
    for (let index = 0; index < (list < 6 ? 16 : 64); index++) {
      if (next !== 0) next = (last + bits.signedGolomb() + 256) % 256;
      last = next === 0 ? last : next;
    }
  }
}
