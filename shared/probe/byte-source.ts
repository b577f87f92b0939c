/** A file that is read in places. `read` may throw where it holds only parts of the file. */
export type ByteSource = { sizeBytes: number; read(offset: number, length: number): Promise<Uint8Array> };
