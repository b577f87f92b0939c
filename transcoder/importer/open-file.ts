// A file that somebody else has, opened for reading from some byte on: the one view the import has of an https
// server and of a key in our own bucket.

export type OpenFile = {
  /** Where `body` begins: where it was asked to, or 0 when it must be read from the start again. */
  offset: number;
  /** Undefined while only the end of `body` will tell. */
  sizeBytes: number | undefined;
  /** Proof that a later answer is about the same bytes; undefined where the file cannot be resumed. */
  validator: string | undefined;
  /** Ends where the answer ends as it should, which may be before the file does; throws Interrupted otherwise. */
  body: AsyncIterable<Uint8Array>;
  /** Gives up what has not been read. */
  close(): void;
};

export type Position = { offset: number; validator?: string | undefined; sizeBytes?: number | undefined };

/** @throws AppError for what another try cannot change, Interrupted for the rest. */
export type OpenAt = (position: Position, signal: AbortSignal) => Promise<OpenFile>;
