// What workerd tests and the receiver of their webhooks say to each other.

export const RECEIVER = 'https://receiver.example.com';
/** Nothing may ever come here. */
export const CANARY_HOSTS = ['169.254.169.254', '10.0.0.7', 'canary.internal'];

/** How an attempt ends: a status, `timeout`, or `reset`, which no HTTP answer can play and the test itself does. */
export type Step = string;

export type Received = { path: string; headers: Record<string, string>; body: string };
