//! What agents say they are, each kept once: a fleet of one firmware shares one text.

use std::collections::HashMap;
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::HeaderName;
use parking_lot::Mutex;

use crate::model::agent_about::AgentAbout;

/// Where an agent says what it is.
const HEADER: HeaderName = HeaderName::from_static("netignite-agent");
/// As many different texts are shared; what goes beyond that is kept by its agent alone.
const SHARED: usize = 1024;

/// What agents say they are, by the text they say it with.
#[derive(Default)]
pub(super) struct Abouts(Mutex<HashMap<Box<str>, Arc<AgentAbout>>>);

impl Abouts {
    /// What the headers of a handshake say; none if they say nothing that can be read.
    pub(super) fn read(&self, headers: &HeaderMap) -> Option<Arc<AgentAbout>> {
        let mut values = headers.get_all(HEADER).iter();
        let text = values.next()?.to_str().ok()?;
        if values.next().is_some() {
            return None;
        }
        let mut known = self.0.lock();
        if let Some(about) = known.get(text) {
            return Some(about.clone());
        }
        let about = Arc::new(AgentAbout::parse(text)?);
        if known.len() >= SHARED {
            known.retain(|_, about| Arc::strong_count(about) > 1);
        }
        if known.len() < SHARED {
            known.insert(text.into(), about.clone());
        }
        Some(about)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(HEADER, HeaderValue::from_str(text).unwrap())])
    }

    #[test]
    fn equal_texts_are_kept_once_and_those_of_nobody_are_forgotten() {
        let abouts = Abouts::default();
        let kept = abouts.read(&headers("1.0; commands=A")).unwrap();
        assert!(Arc::ptr_eq(&kept, &abouts.read(&headers("1.0; commands=A")).unwrap()));
        for n in 0..3 * SHARED {
            abouts.read(&headers(&format!("1.0.{n}"))).unwrap();
        }
        assert!(abouts.0.lock().len() <= SHARED);
        assert!(Arc::ptr_eq(&kept, &abouts.read(&headers("1.0; commands=A")).unwrap()));
        let held: Vec<_> =
            (0..2 * SHARED).map(|n| abouts.read(&headers(&format!("2.0.{n}"))).unwrap()).collect();
        assert_eq!(abouts.0.lock().len(), SHARED);
        assert_eq!(held.last().unwrap().version(), format!("2.0.{}", 2 * SHARED - 1));
        let mut twice = headers("1");
        twice.append(HEADER, HeaderValue::from_static("2"));
        assert!(abouts.read(&twice).is_none());
    }
}
