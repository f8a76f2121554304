// The objects of the REST API, as the server sends them.

interface Session {
  userID: number;
  username: string;
  role: 'admin' | 'user';
  superadmin: boolean;
  permissions: string[];
  totpSetupRequired: boolean;
  favorites: number[];
  expirationTimestamp: number;
}

interface Device {
  id: number;
  name: string;
  type: 'server' | 'desktop' | 'laptop' | 'printer' | 'nas';
  description: string | null;
  macAddress: string;
  port: number | null;
  agentID: number | null;
  ownerID: number;
  address?: string;
  shared?: true;
  ownerName?: string;
  permissions?: ('view' | 'wake')[];
  presence?: DevicePresence;
}

interface TrailEntry {
  at: number;
  event: string;
  message: string;
}

interface Operation {
  id: string;
  kind: 'command' | 'wake';
  state: 'queued' | 'running' | 'succeeded' | 'failed' | 'timed_out' | 'expired' | 'canceled';
  reason: string | null;
  message: string;
  agentID: number | null;
  deviceID: number | null;
  command: string;
  evidence: { onlineAfterMs?: number; wasOnline?: boolean; method?: string; packets?: number } | null;
  attempts: number;
  maxAttempts: number;
  createdAt: number;
  startedAt: number | null;
  endedAt: number | null;
  createdBy: { kind: string; id: number | null; name: string | null };
  trail?: TrailEntry[];
}

interface DevicePresence {
  state: 'online' | 'offline' | 'unknown' | 'waking' | 'stopping';
  since: number | null;
  method: string | null;
  checkedAt: number | null;
  why: string | null;
}

interface Presence {
  state: 'online' | 'offline';
  since: number;
  why: string;
  address: string | null;
}

interface Agent {
  id: number;
  name: string;
  type: 'server' | 'microcontroller';
  description: string;
  secret?: string;
  ownerID: number;
  presence: Presence | null;
  version: string | null;
  commands: string[] | null;
}

interface Share {
  id: number;
  username: string;
  permissions: ('view' | 'wake')[];
  created: number;
  expiresAt: number | null;
}

interface User {
  id: number;
  username: string;
  role: 'admin' | 'user';
  superadmin: boolean;
  favorites: number[];
}

interface AuditEntry {
  id: number;
  at: number;
  actor: string;
  actorID: number | null;
  actorName: string | null;
  userID: number | null;
  action: string;
  target: string | null;
  targetID: number | null;
  targetName: string | null;
  address: string | null;
  outcome: 'done' | 'refused' | 'failed';
  detail: string | null;
  count: number;
}

interface BrowserSession {
  id: string;
  created: number;
  lastUsed: number;
  expiresAt: number;
  address: string | null;
  userAgent: string | null;
  current: boolean;
}

interface Token {
  id: number;
  name: string;
  permissions: string[];
  deviceIDs: number[] | null;
  created: number;
  expiresAt: number | null;
  lastUsed: number | null;
}

interface Command {
  name: string;
  summary: string;
  timeout: number;
  idempotent: boolean;
  class: string;
  payload: JsonSchema;
  reply: JsonSchema;
}

interface EnrolmentCode {
  id: number;
  name: string | null;
  type: 'server' | 'microcontroller';
  usesLeft: number;
  created: number;
  expiresAt: number;
  ownerID: number;
  code?: string;
}

interface JsonSchema {
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  type?: string | string[];
  title?: string;
  description?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  enum?: unknown[];
  const?: unknown;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
  default?: unknown;
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
}
