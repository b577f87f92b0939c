// How a member shows that the line is alive.

/** What the platform answers for a sleeping room, and the room counts as a sign of life. */
export const HEARTBEAT = 'ping';
export const HEARTBEAT_SECONDS = 10;
