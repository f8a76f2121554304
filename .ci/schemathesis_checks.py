"""The check of ours: which errors of the 500s are answers, and which are faults."""

import schemathesis

# An agent that is offline, busy, late or says no, and a server that has its hands full.
ANSWERS = {
    "agent_offline",
    "agent_busy",
    "agent_timeout",
    "busy",
    "command_failed",
    "command_timeout",
    "connection_lost",
    "invalid_reply",
    "database_busy",
}


@schemathesis.check
def no_fault(ctx, response, case):
    if response.status_code < 500:
        return
    try:
        code = response.json()["code"]
    except (ValueError, KeyError, TypeError):
        code = None
    assert code in ANSWERS, f"{response.status_code} {code}: the server's fault"
