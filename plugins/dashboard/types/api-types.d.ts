// The objects of the REST API, written by `npm run api-types` from docs/openapi.json: change that, not this.

declare namespace Api {
  /** What an agent is, which decides how many commands it takes at a time. */
  type AgentKind = "server" | "microcontroller";

  /** An agent as it is shown. */
  type AgentView = {
    /**
     * The commands that it has and that its configuration allows, as its newest connection said; null for firmware that
     * does not say: it has `GET_STATUS`, `HEARTBEAT` and `WAKEUP`.
     */
    commands: string[] | null;
    description: string;
    id: number;
    name: string;
    ownerID: number;
    /**
     * Whether it is connected, since when and why. None for an agent that is being deleted. The last three fields
     * change by themselves: lists put them in at the end.
     */
    presence: Presence | null;
    /** Only in the answer about one agent, and only for its owner. */
    secret?: string | null;
    type: AgentKind;
    /** What its newest connection said its version is; null for firmware that does not say. */
    version: string | null;
  };

  type Array_of_AgentView = AgentView[];

  type Array_of_DeviceView = DeviceView[];

  type Array_of_OperationView = OperationView[];

  /** A copy of the database. */
  type BackupView = {
    /** Its size in bytes. */
    bytes: number;
    /** When it was made, in milliseconds since the epoch. */
    madeAt: number;
    /** The name of its file in the data directory. */
    name: string;
  };

  /** How a command stands in an agent's line. */
  type Class = "control" | "action" | "question" | "long";

  /** The recovery codes of a second factor. */
  type CodesView = {
    /** Each lets its user in once in place of a code. They are shown only now. */
    recoveryCodes: string[];
  };

  /** How much is wanted. */
  type CommandDiscoverPayload = {
    /** How many hosts are named at most: 200 unless given, and never more. */
    limit?: number | null;
  };

  /** What the agent found. */
  type CommandDiscoverReply = {
    /** The hosts, by their addresses. */
    hosts: CommandDiscoverReplyFound[];
    /** What was found, for people. */
    message?: string;
    /** Always `OK`; a failure travels as `ERROR`. */
    status: CommandDiscoverReplyOkStatus;
    /** Whether there may be more: beyond the limit, or in a part of a network that was not looked through. */
    truncated?: boolean;
  };

  /** Which host to look for. */
  type CommandGetStatusPayload = {
    /** Its address: IPv4, MAC, IPv6 or a host name. Older firmware understands only the first two. */
    address: CommandGetStatusPayloadProbeTarget;
    /**
     * The MAC address of the device's network card: whoever answers with another one is another machine. Sent beside
     * an address of another kind, where it is known; older firmware does not look at it.
     */
    macAddress?: CommandGetStatusPayloadMacAddress | null;
  };

  /** What the agent answers. */
  type CommandGetStatusReply = {
    /** What was seen, for people. */
    message?: string;
    /** What was seen. */
    online: CommandGetStatusReplyOnline;
    /** Always `OK`; a failure travels as `ERROR`. */
    status: CommandGetStatusReplyOkStatus;
  };

  /** A payload or reply without content: written `{}`, read from `{}` or `null`. */
  type CommandHeartbeatPayload = Record<string, unknown>;

  /** A payload or reply without content: written `{}`, read from `{}` or `null`. */
  type CommandHeartbeatReply = Record<string, unknown>;

  /** Which host to look for. One of `address`, `macAddress` and `deviceID` must be there. */
  type CommandProbePayload = {
    /** Its address: IPv4, IPv6, MAC or a host name. */
    address?: CommandProbePayloadProbeTarget | null;
    /**
     * A device of the agent's owner: the server fills in what is stored of it, where nothing else is given. The agent is not
     * given the ID.
     */
    deviceID?: number | null;
    /** The MAC address of the host's network card: whoever answers with another one is another machine. */
    macAddress?: CommandProbePayloadMacAddress | null;
    /** The TCP ports to knock at where pings bring nothing, at most 5; a few common ones unless given. */
    ports?: number[];
  };

  /** What the agent answers. */
  type CommandProbeReply = {
    /** Where somebody was seen. */
    address?: string | null;
    /** How long the answer took, in milliseconds. */
    latencyMs?: number | null;
    /** Whose MAC address answers there, as far as the agent can tell. */
    macAddress?: CommandProbeReplyMacAddress | null;
    /** What was seen, for people. */
    message?: string;
    /** By what somebody was seen. */
    method?: CommandProbeReplyProbeMethod | null;
    /** What was seen. */
    online: CommandProbeReplyOnline;
    /** The TCP port that answered. */
    port?: number | null;
    /** Always `OK`; a failure travels as `ERROR`. */
    status: CommandProbeReplyOkStatus;
  };

  /** The payload of a command that is answered first and done after a while. */
  type CommandRebootPayload = {
    /** After how many seconds it is done: at once, which is a second after the answer, unless given; at most 86,400. */
    delaySeconds?: number | null;
  };

  /** The reply of a command that only says that it was done: `{"status":"OK","message":…}`. */
  type CommandRebootReply = {
    /** What was done, for people. */
    message?: string;
    /** Always `OK`; a failure travels as `ERROR` and never becomes an `Outcome`. */
    status: CommandRebootReplyOkStatus;
  };

  /** The payload of a command that is answered first and done after a while. */
  type CommandShutdownPayload = {
    /** After how many seconds it is done: at once, which is a second after the answer, unless given; at most 86,400. */
    delaySeconds?: number | null;
  };

  /** The reply of a command that only says that it was done: `{"status":"OK","message":…}`. */
  type CommandShutdownReply = {
    /** What was done, for people. */
    message?: string;
    /** Always `OK`; a failure travels as `ERROR` and never becomes an `Outcome`. */
    status: CommandShutdownReplyOkStatus;
  };

  /** The payload of a command that is answered first and done after a while. */
  type CommandSleepPayload = {
    /** After how many seconds it is done: at once, which is a second after the answer, unless given; at most 86,400. */
    delaySeconds?: number | null;
  };

  /** The reply of a command that only says that it was done: `{"status":"OK","message":…}`. */
  type CommandSleepReply = {
    /** What was done, for people. */
    message?: string;
    /** Always `OK`; a failure travels as `ERROR` and never becomes an `Outcome`. */
    status: CommandSleepReplyOkStatus;
  };

  /** Which device to wake. */
  type CommandWakeupPayload = {
    /** Where the packet goes instead of to every network of the agent. Older firmware does not look at it. */
    broadcastAddress?: string | null;
    /** The MAC address of the device's network card. */
    macAddress: CommandWakeupPayloadMacAddress;
    /** The UDP port the packet is sent to; 9 and 7 are the usual ones. */
    port: number;
    /** The password that the card asks for, appended to the packet. Older firmware does not look at it. */
    secureOn?: CommandWakeupPayloadSecureOn | null;
  };

  /** The reply of a command that only says that it was done: `{"status":"OK","message":…}`. */
  type CommandWakeupReply = {
    /** What was done, for people. */
    message?: string;
    /** Always `OK`; a failure travels as `ERROR` and never becomes an `Outcome`. */
    status: CommandWakeupReplyOkStatus;
  };

  /** A command as it is listed. */
  type CommandView = {
    /** Whether it can be ended while it runs. */
    cancelable: boolean;
    class: Class;
    /** Whether sending it again does no harm. */
    idempotent: boolean;
    name: string;
    /** The JSON Schema of the payload. */
    payload: Record<string, unknown>;
    /** The JSON Schema of the reply. */
    reply: Record<string, unknown>;
    summary: string;
    /** How long the server waits for the reply, in milliseconds. */
    timeout: number;
  };

  /** That an agent's connection was replaced `count` times in `minutes` minutes. */
  type Conflict = {
    /** How often a newer connection took over. */
    count: number;
    /** In how many minutes. */
    minutes: number;
  };

  /** What a device is. */
  type DeviceKind = "server" | "desktop" | "laptop" | "printer" | "nas";

  /** Whether a device is there, since when and why. */
  type DevicePresence = {
    /** When somebody looked last. */
    checkedAt: number | null;
    /** By what it was seen; null where it was not. */
    method: SeenBy | null;
    /** When it came into this state, in milliseconds since the epoch; null if nobody has looked yet. */
    since: number | null;
    /** Whether it is up. */
    state: DeviceState;
    /** Why it is in this state: one stable word. */
    why: string;
  };

  /** Whether a device is up, as far as anybody knows. */
  type DeviceState = "online" | "offline" | "unknown" | "waking" | "stopping";

  /** A device as it is shown. */
  type DeviceView = {
    address?: string | null;
    /** Null for a device that is shared with the caller: the agent is not. */
    agentID: number | null;
    /** Where its magic packets go. */
    broadcastAddress?: string | null;
    description: string | null;
    /** The agents that reach it while its own is offline, in the order in which they are tried. */
    fallbackAgentIDs?: number[];
    /** The agent that runs on the device itself. */
    hostAgentID?: number | null;
    id: number;
    macAddress: string;
    name: string;
    ownerID: number;
    /** The name of the device's owner. */
    ownerName?: string;
    /** What the caller may do with the device. */
    permissions?: Right[];
    port: number | null;
    /** Whether it is there, since when and why. In the answer about one device, and in lists where it is asked for. */
    presence?: DevicePresence | null;
    /** The TCP ports at which it is looked for. */
    probePorts?: number[];
    /** Only in the answer about one device, and only for its owner. */
    secureOn?: string | null;
    /** True. */
    shared?: boolean;
    type: DeviceKind;
    /** How often it is looked for, in seconds. */
    watchInterval?: number | null;
  };

  /** What the new agent connects with. */
  type EnrolledView = {
    id: number;
    secret: string;
  };

  /** A code as it is shown: without the code itself. */
  type EnrolmentCodeView = {
    /** When it was made, in milliseconds since the epoch, as every time here. */
    created: number;
    /** When it ends. */
    expiresAt: number;
    id: number;
    name: string | null;
    /** The user whose the agents will be. */
    ownerID: number;
    type: AgentKind;
    /** How many agents can still be made with it. */
    usesLeft: number;
  };

  /** An entry as it is shown. */
  type EntryView = {
    /** What was done. */
    action: string;
    /** Who: nobody, user, token, agent, operator, server or plugin. */
    actor: string;
    actorID: number | null;
    /** The name the actor had then. */
    actorName: string | null;
    /** From where; null for the local operator and the server itself. */
    address: string | null;
    /** When, in milliseconds since the epoch; the last time, if it happened more than once. */
    at: number;
    /** How many times it happened. */
    count: number;
    /** More, in words of the server's. */
    detail: string | null;
    id: number;
    /** What became of it: done, refused or failed. */
    outcome: string;
    /** The kind of thing it was done to. */
    target: string | null;
    targetID: number | null;
    /** The name the thing had then. */
    targetName: string | null;
    /** The user who acted, or whose token or agent did. */
    userID: number | null;
  };

  /** What happened once. */
  type EntryView2 = {
    at: number;
    /** What happened, as a word. */
    event: string;
    message: string;
  };

  /** What happened once. */
  type EntryView3 = {
    /** When it did. */
    at: number;
    kind: "presence";
    /** What it came to be. */
    presence: DevicePresence;
  } | {
    /** When it was asked for. */
    at: number;
    kind: "operation";
    /** What it is now. */
    operation: OperationView;
  };

  /** What went wrong: `code` for programs, `message` for people */
  type Error = {
    code: string;
    data: unknown;
    errors?: {
      field: string;
      message: string;
    }[];
    message: string;
    requestID: string;
    status: "ERROR";
  };

  /** A share as whoever it is with sees it. */
  type GivenView = {
    /** When it was given, in milliseconds since the epoch. */
    created: number;
    /** When it ends; null for never. */
    expiresAt: number | null;
    id: number;
    /** Who shares it. */
    ownerName: string;
    permissions: Right[];
    /** The device's ID; the agent's only in admin mode. */
    sharedID: number | null;
    /** The device's name; the agent's only in admin mode. */
    sharedName: string | null;
    /** What is shared: a device, or all devices of an agent. */
    type: SharedKind;
    /** The user it is shared with. */
    username: string;
  };

  /** How much is logged: messages of this weight and heavier ones. */
  type Level = "debug" | "info" | "warn" | "error" | "critical";

  /** The level of the log. */
  type LevelView = {
    level: Level;
  };

  /** What asked for an operation. */
  type MakerKind = "user" | "token" | "schedule" | "operator";

  /** Who asked for it. */
  type MakerView = {
    /** Null where it is nothing of the caller's. */
    id: number | null;
    kind: MakerKind;
    name: string | null;
  };

  /** Where the new master key is, or belongs. */
  type MasterView = {
    /** Whether the operator has to put it there, before the next start. */
    byOperator: boolean;
    /** The file it lies in, or the operator's variable it belongs into. */
    place: string;
  };

  /** A page of a plugin. */
  type NavigationView = {
    /** Where it is, from where the server begins, with a slash before it. */
    path: string;
    /** What the plugin calls it. */
    title: string;
  };

  /** A code that was just made. */
  type NewEnrolmentCodeView = {
    /** What to type on the machine. It is shown only now. */
    code: string;
    /** When it was made, in milliseconds since the epoch, as every time here. */
    created: number;
    /** When it ends. */
    expiresAt: number;
    id: number;
    name: string | null;
    /** The user whose the agents will be. */
    ownerID: number;
    type: AgentKind;
    /** How many agents can still be made with it. */
    usesLeft: number;
  };

  /** A session that has begun. */
  type NewSessionView = {
    /** When the session ends unless it is used, in milliseconds since the epoch. */
    expirationTimestamp: number;
    /** The favourite devices that are there and the user's own. */
    favorites: number[];
    /** What the role allows, for one's own things or for everyone's. */
    permissions: Permission[];
    role: RoleName;
    /** Whether the admin also grants and takes the roles admin and superadmin. */
    superadmin: boolean;
    /** Whether the user must set up a second factor before anything else. */
    totpSetupRequired: boolean;
    userID: number;
    username: string;
  };

  /** A token that was just made. */
  type NewTokenView = {
    /** When it was made, in milliseconds since the epoch, as every time here. */
    created: number;
    /** The devices it is restricted to; null for no restriction. */
    deviceIDs: number[] | null;
    /** When it ends; null for never. */
    expiresAt: number | null;
    id: number;
    /** When it was last used; null for never. */
    lastUsed: number | null;
    name: string;
    permissions: Permission[];
    /** What to send as `Authorization: Bearer`. It is shown only now. */
    token: string;
  };

  /** What the agent saw. */
  type Online = "online" | "offline" | "unknown";

  /** What kind of thing is wanted. */
  type OperationKind = "command" | "wake";

  /** An operation. */
  type OperationView = {
    /** Null where the device is shared with the caller: the agent is not. */
    agentID: number | null;
    attempts: number;
    command: string;
    createdAt: number;
    createdBy: MakerView;
    deliverBy: number;
    deviceID: number | null;
    endedAt: number | null;
    /** What was seen. */
    evidence: Record<string, unknown>;
    /** A UUID. */
    id: string;
    kind: OperationKind;
    maxAttempts: number;
    /** What became of it, for people. */
    message: string;
    /** The operation that this is a part of. */
    parentID: string | null;
    payload: unknown;
    /** Why it ended so, as a word. */
    reason: string | null;
    /** What the agent answered. */
    result: Record<string, unknown>;
    startedAt: number | null;
    state: State;
  };

  /** The caller's session, and what its user may open. */
  type OwnSessionView = {
    /** When the session ends unless it is used, in milliseconds since the epoch. */
    expirationTimestamp: number;
    /** The favourite devices that are there and the user's own. */
    favorites: number[];
    /** The pages of plugins that the caller may open. */
    navigation: NavigationView[];
    /** What the role allows, for one's own things or for everyone's. */
    permissions: Permission[];
    role: RoleName;
    /** Whether the admin also grants and takes the roles admin and superadmin. */
    superadmin: boolean;
    /** Whether the user must set up a second factor before anything else. */
    totpSetupRequired: boolean;
    userID: number;
    username: string;
  };

  /** A part of the log. */
  type PageView = {
    /** The newest first. It may be fewer than asked for, or none, and not the end. */
    entries: EntryView[];
    /** What to send as `before` for the entries that follow; null at the end of the log. */
    next: string | null;
  };

  /** Something a caller may be allowed to do. */
  type Permission = "agents:read" | "agents:write" | "agents:secret" | "agents:command" | "devices:read" | "devices:write" | "devices:wake" | "devices:power" | "devices:share" | "users:read" | "users:write" | "users:grant" | "audit:read" | "server:admin";

  /** A permission as it is listed. */
  type PermissionView = {
    /** What it allows. */
    about: string;
    name: string;
    /** The plugin that brings it; null for the server's own. */
    plugin: string | null;
  };

  /** A plugin of the program. */
  type PluginView = {
    name: string;
    /** What it is for. */
    summary: string;
  };

  /** Whether an agent is there, since when and why. */
  type Presence = {
    /** The address of its newest connection, if it has connected since the server started. */
    address: string | null;
    /** There only while its connections replace each other again and again: two machines may use its ID and secret. */
    conflict?: Conflict | null;
    /**
     * When it came into this state, in milliseconds since the epoch. A newer connection that replaces an older one
     * does not change it.
     */
    since: number;
    /** Whether it is connected. */
    state: PresenceState;
    /** Why it is in this state: one stable word. */
    why: string;
  };

  /** Whether an agent is connected. */
  type PresenceState = "online" | "offline";

  /** The reply of the command, as its schema in GET /api/commands says */
  type Reply = Record<string, unknown>;

  /** What a user may know of the server's state. */
  type Report = {
    /** Seconds since the server started. */
    uptime: number;
    /** The server's version. */
    version: string;
  };

  /** A reset that was just made. */
  type ResetView = {
    /** When it is no longer good, in milliseconds since the epoch. */
    expiresAt: number;
    /** What the user sends to choose a new password. It is shown only now. */
    token: string;
  };

  /** What a share lets its user do with a device. Each includes the ones before it. */
  type Right = "view" | "wake";

  /** A role as it is written and shown. */
  type RoleName = "admin" | "user";

  /** The new secret. */
  type RotatedView = {
    /** Whether the agent has the new secret. */
    handedOver: boolean;
    /** Until when the secret before is good at most, in milliseconds since the epoch; null if it no longer is. */
    oldValidUntil: number | null;
    /** Why the agent could not be handed the secret. */
    problem?: string | null;
    secret: string;
  };

  /** What a change of the data key came to. */
  type RotatedView2 = {
    /** The ID of the new data key. */
    keyID: number;
    /** How many secrets are sealed with it now. */
    secrets: number;
  };

  /** A second factor to be confirmed. */
  type SeedView = {
    /** The same as apps read it from a QR code. */
    otpauthUrl: string;
    /** The seed in base32, to be typed into an app. It is shown only now. */
    secret: string;
  };

  /** By what a device was seen. */
  type SeenBy = "host_agent" | "icmp" | "tcp" | "neighbour";

  /** How the server is. */
  type ServerView = {
    agents: number;
    /** Agents that are connected now. */
    agentsConnected: number;
    /**
     * The copies of the database that lie beside it, made before a newer program changed it, the oldest first. They stay
     * until `netignite secrets remove-backups` removes them.
     */
    backups: BackupView[];
    /** The size of the database's file in bytes. */
    databaseBytes: number;
    devices: number;
    /** When the newest key was made that secrets are sealed with, in milliseconds since the epoch. */
    keyMadeAt: number | null;
    /** Operations that have not ended. */
    liveOperations: number;
    /** The plugins that the program was built with, by their names. */
    plugins: PluginView[];
    /** When it was started, in milliseconds since the epoch. */
    startedAt: number;
    /** How long it runs, in milliseconds. */
    uptime: number;
    users: number;
    /** The server's version. */
    version: string;
  };

  /** A session as its user sees it in the list. */
  type SessionView = {
    /** The address its user logged in from; null for the server's own machine. */
    address: string | null;
    /** When its user logged in, in milliseconds since the epoch, as every time here. */
    created: number;
    /** Whether it is the one that asks. */
    current: boolean;
    /** When it ends unless it is used. */
    expiresAt: number;
    id: string;
    /** When it was last used. */
    lastUsed: number;
    /** What the client called itself. */
    userAgent: string | null;
  };

  /** A share as it is shown to whoever gave it. */
  type ShareView = {
    /** When it was given, in milliseconds since the epoch. */
    created: number;
    /** When it ends; null for never. */
    expiresAt: number | null;
    id: number;
    permissions: Right[];
    /** The user it is shared with. */
    username: string;
  };

  type SharedKind = "device" | "agent";

  /** How far an operation is. */
  type State = "queued" | "running" | "succeeded" | "failed" | "timed_out" | "expired" | "canceled";

  /** How it stands with the caller's second factor. */
  type StateView = {
    /** Whether one is in force. */
    enabled: boolean;
    recoveryCodesLeft: number;
    /** Whether the configuration wants one of the caller's role. */
    required: boolean;
  };

  /** A token as it is shown. */
  type TokenView = {
    /** When it was made, in milliseconds since the epoch, as every time here. */
    created: number;
    /** The devices it is restricted to; null for no restriction. */
    deviceIDs: number[] | null;
    /** When it ends; null for never. */
    expiresAt: number | null;
    id: number;
    /** When it was last used; null for never. */
    lastUsed: number | null;
    name: string;
    permissions: Permission[];
  };

  /** An operation with its trail. */
  type TrailView = {
    /** Null where the device is shared with the caller: the agent is not. */
    agentID: number | null;
    attempts: number;
    command: string;
    createdAt: number;
    createdBy: MakerView;
    deliverBy: number;
    deviceID: number | null;
    endedAt: number | null;
    /** What was seen. */
    evidence: Record<string, unknown>;
    /** A UUID. */
    id: string;
    kind: OperationKind;
    maxAttempts: number;
    /** What became of it, for people. */
    message: string;
    /** The operation that this is a part of. */
    parentID: string | null;
    payload: unknown;
    /** Why it ended so, as a word. */
    reason: string | null;
    /** What the agent answered. */
    result: Record<string, unknown>;
    startedAt: number | null;
    state: State;
    /** What happened to it, the oldest first. */
    trail: EntryView2[];
  };

  /** A user as it is shown. */
  type UserView = {
    /**
     * When the user was made, in milliseconds since the epoch; null where that is not known, as for users of a database
     * of the original server.
     */
    createdAt: number | null;
    favorites: number[];
    id: number;
    /** When the user logged in last; null where that is not known. */
    lastLogin: number | null;
    role: RoleName;
    /** Whether the admin also grants and takes the roles admin and superadmin. */
    superadmin: boolean;
    username: string;
  };

  /** A host. */
  type CommandDiscoverReplyFound = {
    /** Its IPv4 address. */
    address: string;
    /** The MAC address of its card. */
    macAddress: CommandDiscoverReplyMacAddress;
    /** What it is called, where that is known and the reply has room for it. */
    name?: string | null;
  };

  /**
   * The MAC address of a device: not all zeros, and no group's, which the broadcast address is too. Read as `AA:BB:CC:DD:EE:FF`, `AA-BB-CC-DD-EE-FF`, `AABB.CCDD.EEFF` or `AABBCCDDEEFF` in either
   * case, with or without blanks around it; written in upper case with colons.
   */
  type CommandDiscoverReplyMacAddress = string;

  /** The word every plain success carries. */
  type CommandDiscoverReplyOkStatus = "OK";

  /**
   * The MAC address of a device: not all zeros, and no group's, which the broadcast address is too. Read as `AA:BB:CC:DD:EE:FF`, `AA-BB-CC-DD-EE-FF`, `AABB.CCDD.EEFF` or `AABBCCDDEEFF` in either
   * case, with or without blanks around it; written in upper case with colons.
   */
  type CommandGetStatusPayloadMacAddress = string;

  /** Where a probe looks. */
  type CommandGetStatusPayloadProbeTarget = string;

  /** The word every plain success carries. */
  type CommandGetStatusReplyOkStatus = "OK";

  /** What the agent saw. */
  type CommandGetStatusReplyOnline = "online" | "offline" | "unknown";

  /**
   * The MAC address of a device: not all zeros, and no group's, which the broadcast address is too. Read as `AA:BB:CC:DD:EE:FF`, `AA-BB-CC-DD-EE-FF`, `AABB.CCDD.EEFF` or `AABBCCDDEEFF` in either
   * case, with or without blanks around it; written in upper case with colons.
   */
  type CommandProbePayloadMacAddress = string;

  /** Where a probe looks. */
  type CommandProbePayloadProbeTarget = string;

  /**
   * The MAC address of a device: not all zeros, and no group's, which the broadcast address is too. Read as `AA:BB:CC:DD:EE:FF`, `AA-BB-CC-DD-EE-FF`, `AABB.CCDD.EEFF` or `AABBCCDDEEFF` in either
   * case, with or without blanks around it; written in upper case with colons.
   */
  type CommandProbeReplyMacAddress = string;

  /** The word every plain success carries. */
  type CommandProbeReplyOkStatus = "OK";

  /** What the agent saw. */
  type CommandProbeReplyOnline = "online" | "offline" | "unknown";

  /** By what a host was seen. */
  type CommandProbeReplyProbeMethod = "icmp" | "tcp" | "neighbour";

  /** The word every plain success carries. */
  type CommandRebootReplyOkStatus = "OK";

  /** The word every plain success carries. */
  type CommandShutdownReplyOkStatus = "OK";

  /** The word every plain success carries. */
  type CommandSleepReplyOkStatus = "OK";

  /**
   * The MAC address of a device: not all zeros, and no group's, which the broadcast address is too. Read as `AA:BB:CC:DD:EE:FF`, `AA-BB-CC-DD-EE-FF`, `AABB.CCDD.EEFF` or `AABBCCDDEEFF` in either
   * case, with or without blanks around it; written in upper case with colons.
   */
  type CommandWakeupPayloadMacAddress = string;

  /**
   * The password of a card that asks for one before it wakes (SecureOn): six bytes, written as a MAC address is. It is not
   * shown by `Debug`.
   */
  type CommandWakeupPayloadSecureOn = string;

  /** The word every plain success carries. */
  type CommandWakeupReplyOkStatus = "OK";
}
