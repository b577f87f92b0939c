/** What an isolate remembers between requests: beyond `maxEntries` the entry that was added first is forgotten. */
export class BoundedMap<Key, Value> extends Map<Key, Value> {
  readonly #maxEntries: number;

  constructor(maxEntries: number) {
    super();
    this.#maxEntries = maxEntries;
  }

  override set(key: Key, value: Value): this {
    super.set(key, value);
    if (this.size > this.#maxEntries) this.delete(this.keys().next().value!);
    return this;
  }
}
