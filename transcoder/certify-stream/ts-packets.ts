// MPEG-2 transport streams (ISO/IEC 13818-1): tables, continuity, and the PES packets of each stream.

export type PesPacket = { ptsTicks: number; dtsTicks: number; payload: Uint8Array };
export type TsStream = { pid: number; streamType: number; packets: PesPacket[] };
export type TsRead = { streams: TsStream[]; problems: string[] };

const PACKET_BYTES = 188;
const SYNC_BYTE = 0x47;

type Open = { streamType: number; parts: Uint8Array[]; packets: PesPacket[]; counter: number | undefined };

export function looksLikeTs(bytes: Uint8Array): boolean {
  return (
    bytes.length >= PACKET_BYTES &&
    bytes[0] === SYNC_BYTE &&
    (bytes.length < 2 * PACKET_BYTES || bytes[PACKET_BYTES] === SYNC_BYTE)
  );
}

export function readTs(bytes: Uint8Array): TsRead {
  const problems: string[] = [];
  const streams = new Map<number, Open>();
  let pmtPid: number | undefined;
  if (bytes.length % PACKET_BYTES !== 0)
    problems.push(`${bytes.length} bytes are not whole packets of ${PACKET_BYTES}.`);
  for (let at = 0; at + PACKET_BYTES <= bytes.length; at += PACKET_BYTES) {
    const packet = bytes.subarray(at, at + PACKET_BYTES);
    if (packet[0] !== SYNC_BYTE) {
      problems.push(`The packet at byte ${at} has no sync byte.`);
      break;
    }
    const pid = ((packet[1]! & 0x1f) << 8) | packet[2]!;
    const isStart = (packet[1]! & 0x40) !== 0;
    const control = (packet[3]! >> 4) & 3;
    if (!(control & 1)) continue;
    const payload = packet.subarray(control & 2 ? 5 + packet[4]! : 4);
    if (pid === 0 && isStart) pmtPid ??= pmtPidOf(payload);
    else if (pid === pmtPid && isStart) addStreams(payload, streams);
    else {
      const stream = streams.get(pid);
      if (!stream) continue;
      const counter = packet[3]! & 15;
      const isDiscontinuous = control & 2 && packet[4]! > 0 && packet[5]! & 0x80;
      if (
        stream.counter !== undefined &&
        !isDiscontinuous &&
        counter !== ((stream.counter + 1) & 15) &&
        counter !== stream.counter
      )
        problems.push(`Packets of stream ${pid} are missing before byte ${at}.`);
      stream.counter = counter;
      if (isStart) closePes(stream, problems);
      if (isStart || stream.parts.length > 0) stream.parts.push(payload);
    }
  }
  for (const stream of streams.values()) closePes(stream, problems);
  if (pmtPid === undefined) problems.push('There is no program association table.');
  else if (streams.size === 0) problems.push('There is no program map table.');
  return {
    streams: [...streams].map(([pid, { streamType, packets }]) => ({ pid, streamType, packets })),
    problems,
  };
}

/** The first program's. */
function pmtPidOf(payload: Uint8Array): number | undefined {
  const section = payload.subarray(1 + payload[0]!);
  for (let at = 8; at + 4 <= sectionEnd(section); at += 4) {
    const program = (section[at]! << 8) | section[at + 1]!;
    if (program !== 0) return ((section[at + 2]! & 0x1f) << 8) | section[at + 3]!;
  }
  return undefined;
}

function addStreams(payload: Uint8Array, streams: Map<number, Open>): void {
  const section = payload.subarray(1 + payload[0]!);
  const infoBytes = ((section[10]! & 15) << 8) | section[11]!;
  for (let at = 12 + infoBytes; at + 5 <= sectionEnd(section); ) {
    const pid = ((section[at + 1]! & 0x1f) << 8) | section[at + 2]!;
    if (!streams.has(pid))
      streams.set(pid, { streamType: section[at]!, parts: [], packets: [], counter: undefined });
    at += 5 + (((section[at + 3]! & 15) << 8) | section[at + 4]!);
  }
}

/** Where a section's own bytes end, before its checksum. */
function sectionEnd(section: Uint8Array): number {
  const length = ((section[1]! & 15) << 8) | section[2]!;
  return Math.min(section.length, 3 + length - 4);
}

function closePes(stream: Open, problems: string[]): void {
  if (stream.parts.length === 0) return;
  const pes = Buffer.concat(stream.parts);
  stream.parts = [];
  const hasStartCode = pes.length >= 9 && pes[0] === 0 && pes[1] === 0 && pes[2] === 1;
  if (!hasStartCode) return void problems.push('A PES packet has no start code.');
  const flags = pes[7]! >> 6;
  if (!(flags & 2) || pes.length < 14) return;
  const ptsTicks = timestamp(pes, 9);
  const dtsTicks = flags & 1 && pes.length >= 19 ? timestamp(pes, 14) : ptsTicks;
  const declared = (pes[4]! << 8) | pes[5]!;
  if (declared !== 0 && pes.length < declared + 6) problems.push('A PES packet is cut short.');
  const end = declared === 0 ? pes.length : Math.min(pes.length, declared + 6);
  stream.packets.push({ ptsTicks, dtsTicks, payload: pes.subarray(9 + pes[8]!, end) });
}

/** 33 bits in five bytes, so beyond what bit operations can hold. */
function timestamp(pes: Uint8Array, at: number): number {
  const high = (pes[at]! >> 1) & 7;
  const middle = ((pes[at + 1]! << 8) | pes[at + 2]!) >> 1;
  const low = ((pes[at + 3]! << 8) | pes[at + 4]!) >> 1;
  return high * 2 ** 30 + middle * 2 ** 15 + low;
}
