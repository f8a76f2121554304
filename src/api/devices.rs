//! `/api/devices`: the devices a caller owns and, to see, those shared with them; or, in admin mode, everyone's. Their list
//! is beside this.

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::bounded::{Address, AgentId, Bounded, Description, DeviceMac, Name, Port, word};
use super::check::Check;
use super::device_options::{OptionsBody, OptionsView};
use super::field::Field;
use super::owner::OwnerQuery;
use super::owner::owner_of_new;
use super::tags::DEVICES;
use crate::domain::device::{
    self, DeviceDetail, DeviceKind, DeviceOptions, DeviceRow, NewDevice, Present, SecureOnChange, SharedBy,
};
use crate::error::Result;
use crate::error::failures as f;
use crate::model::audit::SubjectKind;
use crate::model::device_presence::DevicePresence;
use crate::model::permission::Permission as P;
use crate::model::reach::Right;
use crate::rest::{Answer, Call, Json, NoBody, Route};

const DEVICE: &str =
    r#"{"name": "Tower", "type": "desktop", "macAddress": "AA:BB:CC:DD:EE:0F", "port": 9, "agentID": 1}"#;

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/devices", "Create a device")
            .needs(&[P::DevicesWrite])
            .tag(DEVICES)
            .query::<OwnerQuery>()
            .example(DEVICE)
            .creates()
            .fails(&[f::NO_MATCHING_AGENT, f::QUOTA_REACHED, f::NOT_FOUND, f::INVALID_ID, f::NO_SUPERADMIN])
            .handler(create),
        Route::get("/api/devices/{id}", "A device")
            .needs(&[P::DevicesRead])
            .tag(DEVICES)
            .admin_mode()
            .subject(SubjectKind::Device)
            .fails(&[f::NOT_FOUND])
            .handler(get),
        Route::put("/api/devices/{id}", "Replace a device")
            .needs(&[P::DevicesWrite])
            .tag(DEVICES)
            .admin_mode()
            .subject(SubjectKind::Device)
            .example(DEVICE)
            .fails(&[f::NOT_FOUND, f::NOT_SHARED, f::NO_MATCHING_AGENT])
            .handler(update),
        Route::delete("/api/devices/{id}", "Delete a device")
            .needs(&[P::DevicesWrite])
            .tag(DEVICES)
            .admin_mode()
            .subject(SubjectKind::Device)
            .fails(&[f::NOT_FOUND, f::NOT_SHARED])
            .handler(delete),
    ]
}

word!(DeviceKind, "server, desktop, laptop, printer or nas");
/// The port of a device for which none is given: the discard service, where magic packets usually go.
const DEFAULT_PORT: i64 = 9;

/// A device as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceView {
    id: i64,
    name: String,
    #[serde(rename = "type")]
    kind: DeviceKind,
    description: Option<String>,
    mac_address: String,
    port: Option<i64>,
    /// Null for a device that is shared with the caller: the agent is not.
    #[serde(rename = "agentID")]
    agent_id: Option<i64>,
    #[serde(rename = "ownerID")]
    owner_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(flatten)]
    options: OptionsView,
    /// Only in the answer about one device, and only for its owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    secure_on: Option<String>,
    #[serde(flatten)]
    shared: Option<SharedView>,
    /// Whether it is there, since when and why. In the answer about one device, and in lists where it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    presence: Option<DevicePresence>,
}

/// What is shown besides of a device that is shared with the caller.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SharedView {
    /// True.
    shared: bool,
    /// The name of the device's owner.
    owner_name: String,
    /// What the caller may do with the device.
    permissions: &'static [Right],
}

impl From<SharedBy> for SharedView {
    fn from(by: SharedBy) -> Self {
        Self { shared: true, owner_name: by.owner_name, permissions: by.right.included() }
    }
}

impl From<DeviceDetail> for DeviceView {
    fn from(device: DeviceDetail) -> Self {
        let DeviceDetail { row, secure_on, presence } = device;
        let secure_on = secure_on.map(|secure_on| secure_on.expose_secret().to_owned());
        Self { secure_on, ..(row, Some(presence)).into() }
    }
}

impl From<Present> for DeviceView {
    fn from((row, presence): Present) -> Self {
        Self { presence, ..row.into() }
    }
}

impl From<DeviceRow> for DeviceView {
    fn from(row: DeviceRow) -> Self {
        Self {
            options: if row.shared.is_none() { row.options.into() } else { OptionsView::default() },
            secure_on: None,
            presence: None,
            id: row.id,
            name: row.name,
            kind: row.kind,
            description: row.description,
            mac_address: row.mac_address,
            port: row.port,
            agent_id: row.shared.is_none().then_some(row.agent_id),
            owner_id: row.owner,
            address: row.address,
            shared: row.shared.map(SharedView::from),
        }
    }
}

/// A new device, or what is to replace one.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceBody {
    name: Field<Name>,
    #[serde(rename = "type")]
    kind: Field<DeviceKind>,
    /// Absent keeps the stored one, null clears it.
    #[serde(default)]
    description: Field<Description>,
    mac_address: Field<DeviceMac>,
    /// 9 if absent.
    #[serde(default)]
    port: Field<Port>,
    #[serde(rename = "agentID")]
    agent_id: Field<AgentId>,
    /// Asked for status in place of the MAC address. Absent keeps the stored one, null clears it.
    #[serde(default)]
    address: Field<Address>,
    #[serde(flatten)]
    options: OptionsBody,
}

impl DeviceBody {
    fn for_new(self, owner: i64) -> Result<NewDevice> {
        Check::all(|check| {
            let name = check.required("name", self.name);
            let kind = check.required("type", self.kind);
            let description = check.optional("description", self.description);
            let mac_address = check.required("macAddress", self.mac_address);
            let port = check.optional("port", self.port);
            let agent_id = check.required("agentID", self.agent_id);
            let address = check.optional("address", self.address);
            let (options, secure_on) = self.options.read(check, DeviceOptions::default())?;
            Some(NewDevice {
                name: name?,
                kind: kind?,
                description: description?,
                mac_address: mac_address?,
                port: port?.unwrap_or(DEFAULT_PORT),
                agent_id: agent_id?,
                address: address?,
                owner,
                options,
                secure_on,
            })
        })
    }

    /// The row as it is to become, and what becomes of its SecureOn password.
    fn for_stored(self, stored: DeviceRow) -> Result<(DeviceRow, SecureOnChange)> {
        Check::all(|check| {
            let name = check.replaced("name", self.name, &stored.name);
            let kind = check.required("type", self.kind);
            let description = clearable(check, "description", self.description, stored.description);
            let mac_address = check.replaced("macAddress", self.mac_address, &stored.mac_address);
            let port = match self.port {
                Field::Absent => Some(Some(DEFAULT_PORT)),
                // Sent back as it is shown.
                Field::Null if stored.port.is_none() => Some(None),
                Field::Value(port) if stored.port == Some(port) => Some(stored.port),
                given => check.required("port", given).map(Some),
            };
            let agent_id = check.required("agentID", self.agent_id);
            let address = clearable(check, "address", self.address, stored.address);
            let (options, secure_on) = self.options.read(check, stored.options)?;
            let row = DeviceRow {
                name: name?,
                kind: kind?,
                description: description?,
                mac_address: mac_address?,
                port: port?,
                agent_id: agent_id?,
                address: address?,
                options,
                id: stored.id,
                owner: stored.owner,
                shared: None,
            };
            Some((row, secure_on))
        })
    }
}

/// A field that null clears and whose absence keeps what is stored. The outer `None` has been noted as wrong.
fn clearable<B: Bounded<Sent = String, Read = String>>(
    check: &mut Check,
    name: &str,
    field: Field<B>,
    stored: Option<String>,
) -> Option<Option<String>> {
    match field {
        Field::Absent => Some(stored),
        Field::Null => Some(None),
        Field::Value(same) if stored.as_ref() == Some(&same) => Some(stored),
        given => check.required(name, given).map(Some),
    }
}

async fn create(call: Call, Json(body): Json<DeviceBody>) -> Result<Answer<i64>> {
    let new = body.for_new(owner_of_new(&call).await?)?;
    Ok(Answer::created("Device created successfully", device::create(&call, new).await?))
}

async fn get(call: Call, _: NoBody) -> Result<Answer<DeviceView>> {
    let device = device::get(&call, call.id()?).await?;
    Ok(Answer::ok("Device retrieved successfully", device.into()))
}

async fn update(call: Call, Json(body): Json<DeviceBody>) -> Result<Answer<()>> {
    device::update(&call, call.id()?, |stored| body.for_stored(stored)).await?;
    Ok(Answer::done("Device updated successfully"))
}

async fn delete(call: Call, _: NoBody) -> Result<Answer<()>> {
    device::delete(&call, call.id()?).await?;
    Ok(Answer::done("Device deleted successfully"))
}
