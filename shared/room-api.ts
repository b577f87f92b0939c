// Rooms over HTTP, and every message that crosses a room's WebSocket.
import { z } from 'zod';
import { PlayRate, PositionSeconds, RoomState } from './room-state.ts';

export const MAX_ROOM_MEMBERS = 100;
const DEFAULT_ROOM_MEMBERS = 50;
/** Nothing a member has to say is longer. */
export const MAX_ROOM_MESSAGE_CHARS = 1024;

export const RoomControl = z.enum(['host', 'open']);
export type RoomControl = z.infer<typeof RoomControl>;

const MemberName = z
  .string()
  .trim()
  .min(1)
  .max(40)
  // Format characters turn a name into another one's.
  .regex(/^[^\p{C}]+$/u, 'has characters that nobody sees');
const ResumeKey = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

export const RoomRequest = z
  .object({
    videoId: z.string().min(1).max(64),
    control: RoomControl.default('host'),
    maxMembers: z.int().min(1).max(MAX_ROOM_MEMBERS).default(DEFAULT_ROOM_MEMBERS),
    /** Of whoever creates it. */
    name: MemberName.optional(),
  })
  .strict();
export type RoomRequest = z.infer<typeof RoomRequest>;

export const RoomTicketRequest = z
  .object({
    name: MemberName.optional(),
    /** Of a member who was here before: the ticket is theirs, and so is what they were. */
    resumeKey: ResumeKey.optional(),
  })
  .strict();
export type RoomTicketRequest = z.infer<typeof RoomTicketRequest>;

export const RoomTicket = z.object({
  id: z.string(),
  /** For one connection: `/v1/rooms/{id}?ticket=`. */
  ticket: z.string(),
  videoId: z.string(),
  expiresAt: z.string(),
});
export type RoomTicket = z.infer<typeof RoomTicket>;

export const RoomMember = z.object({
  id: z.string(),
  name: z.string(),
  /** Distance from the room's position when the member last said, positive when ahead. */
  driftMs: z.number().optional(),
  isBuffering: z.boolean(),
});
export type RoomMember = z.infer<typeof RoomMember>;

export const Room = z.object({
  id: z.string(),
  videoId: z.string(),
  control: RoomControl,
  maxMembers: z.int(),
  /** Absent while nobody is there who could be it. */
  hostId: z.string().optional(),
});
export type Room = z.infer<typeof Room>;

export const RoomView = Room.extend({
  state: RoomState,
  members: z.array(RoomMember),
  createdAt: z.string(),
});
export type RoomView = z.infer<typeof RoomView>;

/** `seen` acknowledges the room's messages up to that `seq`; `ifRevision` makes a command hold for that state alone. */
const common = { id: z.int().min(0).optional(), seen: z.int().min(0).optional() };
const command = { ...common, ifRevision: z.int().min(0).optional() };

export const RoomCommand = z.discriminatedUnion('type', [
  z.object({ type: z.literal('play'), positionSeconds: PositionSeconds.optional(), ...command }).strict(),
  z.object({ type: z.literal('pause'), positionSeconds: PositionSeconds.optional(), ...command }).strict(),
  z.object({ type: z.literal('seek'), positionSeconds: PositionSeconds, ...command }).strict(),
  z.object({ type: z.literal('rate'), rate: PlayRate, ...command }).strict(),
  z.object({ type: z.literal('host'), memberId: z.string().max(64), ...common }).strict(),
  z.object({ type: z.literal('control'), control: RoomControl, ...common }).strict(),
  z.object({ type: z.literal('sync'), clientMs: z.number(), ...common }).strict(),
  z.object({ type: z.literal('resync'), revision: z.int().min(0), ...common }).strict(),
  z
    .object({
      type: z.literal('report'),
      driftMs: z.number().min(-86_400_000).max(86_400_000).optional(),
      isBuffering: z.boolean(),
      ...common,
    })
    .strict(),
  z.object({ type: z.literal('seen'), seen: z.int().min(0) }).strict(),
]);
export type RoomCommand = z.infer<typeof RoomCommand>;

/** News count `seq` up, for each member alone. Answers (sync, current, error) do not. */
export type RoomNews =
  | {
      type: 'welcome';
      room: Room;
      memberId: string;
      /** Opens another ticket for the same member. */
      resumeKey: string;
      state: RoomState;
      members: RoomMember[];
      serverMs: number;
    }
  | { type: 'state'; state: RoomState; by: string; cause: string }
  | { type: 'joined' | 'member'; member: RoomMember }
  | { type: 'left'; memberId: string }
  | { type: 'room'; room: Room };

export type RoomAnswer =
  | { type: 'sync'; clientMs: number; receivedMs: number; sentMs: number }
  | { type: 'current'; revision: number }
  | { type: 'error'; code: string; detail: string; id?: number; state?: RoomState };

export type RoomMessage = (RoomNews & { seq: number }) | RoomAnswer;
