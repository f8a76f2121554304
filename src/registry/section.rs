//! A command's section of an agent's configuration: its type, erased as the command's other types are.

use std::any::Any;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::FieldError;
use crate::json::secrets::redacted;

/// What can be a command's section of an agent's configuration. Everything in it has a default.
pub trait AgentSection: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static> AgentSection for T {}

/// A section that was read, whatever its type.
pub type SectionValue = Arc<dyn Any + Send + Sync>;

/// A section with its type erased.
#[derive(Clone, Copy)]
pub struct Section {
    /// The section where nothing is set.
    pub default: fn() -> Value,
    /// Reads what is set over the defaults: as it holds, and as it may be shown.
    pub read: fn(&Value) -> Result<(SectionValue, Value), FieldError>,
}

impl Section {
    pub(super) const fn of<T: AgentSection>() -> Self {
        Self { default: default::<T>, read: read::<T> }
    }
}

fn default<T: AgentSection>() -> Value {
    serde_json::to_value(T::default()).unwrap_or_default()
}

fn read<T: AgentSection>(set: &Value) -> Result<(SectionValue, Value), FieldError> {
    let mut whole = default::<T>();
    match (&mut whole, set) {
        (Value::Object(whole), Value::Object(set)) => whole.extend(set.clone()),
        _ => return Err(FieldError::new("", "expected a JSON object")),
    }
    let section: T = super::decode(whole.to_string().as_bytes())?;
    let shown = serde_json::to_value(&section).map_err(|e| FieldError::new("", e.to_string()))?;
    Ok((Arc::new(section), redacted("", &shown)))
}
