// The wrapper every media tool runs under, and the limits it sets.
import { fileURLToPath } from 'node:url';
import { GIB, KIB } from '../../shared/limits.ts';

export type RunLimits = { wallSeconds: number; memoryBytes: number };

export const SANDBOX_PATH = fileURLToPath(new URL('./sandbox.sh', import.meta.url));

/** Shared libraries, thread stacks and malloc arenas: measured 0.65 GiB above the resident size with 27
 * threads; the kernel's limit is a backstop for bursts between two looks at the resident size. */
const ADDRESS_SPACE_HEADROOM_BYTES = 2 * GIB;

/** Leading arguments of the sandbox; the tool's own follow. */
export function sandboxArguments(
  tool: string,
  limits: RunLimits,
  cores: number,
  { usesGpu = false } = {},
): string[] {
  const addressSpaceBytes = limits.memoryBytes + ADDRESS_SPACE_HEADROOM_BYTES;
  return [
    `--tool=${tool}`,
    // Without it the runner's own watch on the resident size is left.
    ...(usesGpu ? [] : [`--address-space-kib=${Math.ceil(addressSpaceBytes / KIB)}`]),
    // The wall limit is the runner's; this ends a process that its runner lost sight of.
    `--cpu-seconds=${Math.ceil(limits.wallSeconds * cores) + 1}`,
    '--',
  ];
}
