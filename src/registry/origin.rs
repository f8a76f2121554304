//! Which program this is: a crate that registers something of its own in its binary has its own name and version.

/// A crate that registered something.
pub struct Origin {
    /// The binary it is compiled into; none for a library.
    pub binary: Option<&'static str>,
    /// Its version.
    pub version: &'static str,
}

/// The name and version of the binary, if it registered something itself.
pub fn binary() -> Option<(&'static str, &'static str)> {
    inventory::iter::<Origin>.into_iter().find_map(|origin| Some((origin.binary?, origin.version)))
}

inventory::collect!(Origin);

/// Notes the crate that calls it.
#[doc(hidden)]
#[macro_export]
macro_rules! __register_origin {
    () => {
        $crate::__private::inventory::submit! {
            $crate::registry::origin::Origin {
                binary: option_env!("CARGO_BIN_NAME"),
                version: env!("CARGO_PKG_VERSION"),
            }
        }
    };
}
