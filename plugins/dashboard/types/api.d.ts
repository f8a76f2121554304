// The objects of the REST API by the names that the page's modules give them. What they are stands in api-types.d.ts, which
// is made of the API's document; a number in a name there means that several parts of the server call theirs alike.

type Session = Api.OwnSessionView;
type Device = Api.DeviceView;
type TrailEntry = Api.EntryView2;
/** With its trail where one is asked for; what it was seen by depends on what it was. */
type Operation = Omit<Api.OperationView, 'evidence'> &
  Partial<Pick<Api.TrailView, 'trail'>> & {
    evidence: { onlineAfterMs?: number; wasOnline?: boolean; method?: string; packets?: number } | null;
  };
/** What happened to a device. */
type TimelineEntry = { kind: 'presence'; at: number; presence: DevicePresence } | { kind: 'operation'; at: number; operation: Operation };
type DevicePresence = Api.DevicePresence;
type Presence = Api.Presence;
type Agent = Api.AgentView;
type Share = Api.ShareView;
type User = Api.UserView;
type ServerStatus = Api.ServerView;
type AuditEntry = Api.EntryView;
type BrowserSession = Api.SessionView2;
type Token = Api.TokenView;
/** With its code, when it was just made. */
type EnrolmentCode = Api.EnrolmentCodeView & Partial<Pick<Api.NewEnrolmentCodeView, 'code'>>;

/** A command, with its schemas. */
type Command = Omit<Api.CommandView, 'payload' | 'reply'> & { payload: JsonSchema; reply: JsonSchema };

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

interface Window {
  /** The answer to the document's own form to sign in, if that was sent: see `early.js`. */
  signingIn?: Promise<Response>;
}
