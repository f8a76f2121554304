//! How the rights that shares give are found in SQL.

/// The greatest right that shares give the user of the parameter `$user`, at the time `$at`, on a row of `devices`;
/// NULL if none does. A share of an agent covers the devices of its owner alone: in an adopted database somebody else's
/// may name it.
macro_rules! share_on_device {
    ($user:literal, $at:literal) => {
        concat!(
            "(SELECT max(mayWake) FROM shares WHERE userID = ",
            $user,
            " AND (expires IS NULL OR expires > ",
            $at,
            ") AND (deviceID = devices.id OR agentID = devices.agentID AND EXISTS \
             (SELECT 1 FROM agents WHERE agents.id = shares.agentID AND agents.ownerID = devices.ownerID)))"
        )
    };
}
pub(super) use share_on_device;
