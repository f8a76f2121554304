//! Which agents reach a device, in the order in which they are asked.

use super::Conn;
use crate::error::Result;

/// The agents that reach the device of an ID: its own and then its fallbacks. One that is gone or not the device
/// owner's is left out, whatever an adopted database says: nothing must be sent through it.
///
/// # Errors
/// The database refuses.
pub fn of_device(db: &Conn, device: i64) -> Result<Vec<i64>> {
    let sql = "SELECT named.id FROM (SELECT CAST(agentID AS INTEGER) AS id, -1 AS position FROM devices WHERE id = ?1 \
         UNION ALL SELECT agentID, position FROM device_fallbacks WHERE deviceID = ?1) AS named \
         WHERE EXISTS (SELECT 1 FROM agents WHERE agents.id = named.id \
         AND agents.ownerID = (SELECT CAST(ownerID AS INTEGER) FROM devices WHERE id = ?1)) ORDER BY named.position";
    let mut agents = Vec::new();
    for agent in db.query(sql, [device], |row| row.int(0))? {
        // Its own may be among its fallbacks.
        if !agents.contains(&agent) {
            agents.push(agent);
        }
    }
    Ok(agents)
}
