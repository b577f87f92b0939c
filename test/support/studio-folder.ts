// The Worker's configuration names the built studio as its assets. Tests of the Worker need no build: an empty
// folder will do.
import { mkdirSync } from 'node:fs';

export function setup(): void {
  mkdirSync('worker/studio/dist', { recursive: true });
}
