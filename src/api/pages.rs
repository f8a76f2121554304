//! Lists that may be long: what is beyond their first part is read while it is sent, a part at a time, so that no answer
//! holds all of it, however slowly its client reads.
//!
//! Which objects there are is decided once, by their IDs; each is shown as it is when its part is read, and left out if
//! it is gone or no longer within reach by then.

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::domain::{Reader, Snapshot};
use crate::error::{Error, Result};
use crate::rest::{Call, Data};

/// About how many bytes a part has.
pub(super) const PART: usize = 64 * 1024;
/// How many objects are read at once, so that a part is not much longer than that.
pub(super) const AT_ONCE: usize = 32;
/// Parts that wait for a slow reader.
const WAITING: usize = 1;

/// A JSON array of `T`s, or its first part.
pub(super) struct List<T> {
    json: Vec<u8>,
    rest: Option<mpsc::Receiver<Result<Bytes>>>,
    of: PhantomData<fn() -> T>,
}

/// Appends the objects of some IDs as JSON, each after a comma.
pub(super) trait Append:
    Fn(&Snapshot, &[i64], &mut Vec<u8>) -> Result<()> + Send + Sync + 'static
{
}

impl<F: Fn(&Snapshot, &[i64], &mut Vec<u8>) -> Result<()> + Send + Sync + 'static> Append for F {}

impl<T> List<T> {
    /// The list of the objects whose IDs `find` finds.
    ///
    /// # Errors
    /// The database refuses.
    pub(super) async fn read(
        call: &Call,
        find: impl FnOnce(&Snapshot) -> Result<Vec<i64>> + Send + 'static,
        append: impl Append,
    ) -> Result<Self> {
        let (reader, append) = (call.reader(), Arc::new(append));
        let appending = append.clone();
        let first = reader.read(move |db| {
            let ids = find(db)?;
            let mut json = Vec::new();
            let rest = ids[part(db, &ids, AT_ONCE, &*appending, &mut json)?..].to_vec();
            Ok((json, rest))
        });
        let (json, rest) = first.await?;
        Ok(Self::begun(call, json, rest, AT_ONCE, append))
    }

    /// The list of these objects, none of which is left to be read.
    ///
    /// # Errors
    /// They cannot be written as JSON.
    pub(super) fn whole(objects: impl Iterator<Item = T>) -> Result<Self>
    where
        T: Serialize,
    {
        let objects: Vec<T> = objects.collect();
        let json = serde_json::to_vec(&objects).map_err(Error::internal)?;
        Ok(Self { json, rest: None, of: PhantomData })
    }

    /// The list that begins with the objects in `json`, each after a comma, and goes on with those of the IDs `rest`, of
    /// which so many are read at once.
    pub(super) fn begun(
        call: &Call,
        mut json: Vec<u8>,
        rest: Vec<i64>,
        at_once: usize,
        append: Arc<impl Append>,
    ) -> Self {
        match json.first_mut() {
            Some(comma) => *comma = b'[',
            None => json.push(b'['),
        }
        if rest.is_empty() {
            json.push(b']');
            return Self { json, rest: None, of: PhantomData };
        }
        let (parts, receiver) = mpsc::channel(WAITING);
        let reader = call.reader();
        let empty = json.len() == 1;
        tokio::spawn(async move {
            let mut sending = Sending { parts: &parts, empty, at_once };
            if let Err(e) = sending.send_all(&reader, rest.into(), append).await {
                tracing::warn!("a list was cut off: {e}");
                // Cut off it must be, or half of it would pass for the whole.
                let _ = parts.send(Err(e)).await;
            }
        });
        Self { json, rest: Some(receiver), of: PhantomData }
    }
}

/// Reads a part and answers how many of the IDs are done.
fn part(
    db: &Snapshot,
    ids: &[i64],
    at_once: usize,
    append: &impl Append,
    json: &mut Vec<u8>,
) -> Result<usize> {
    let mut done = 0;
    while done < ids.len() && json.len() < PART {
        let next = ids.len().min(done + at_once);
        append(db, &ids[done..next], json)?;
        done = next;
    }
    Ok(done)
}

struct Sending<'a> {
    parts: &'a mpsc::Sender<Result<Bytes>>,
    /// Whether nothing of the array was sent yet but its bracket.
    empty: bool,
    at_once: usize,
}

impl Sending<'_> {
    /// Sends what is left, until the reader goes away.
    async fn send_all(&mut self, reader: &Reader, ids: Arc<[i64]>, append: Arc<impl Append>) -> Result<()> {
        let mut done = 0;
        while done < ids.len() {
            // A place comes before reading, so that nothing is read ahead of a slow reader but one part.
            let Ok(place) = self.parts.reserve().await else { return Ok(()) };
            let (left, appending, at_once) = (ids.clone(), append.clone(), self.at_once);
            let read = reader.read(move |db| {
                let mut json = Vec::new();
                let now_done = done + part(db, &left[done..], at_once, &*appending, &mut json)?;
                Ok((json, now_done))
            });
            let (mut json, now_done) = read.await?;
            done = now_done;
            if json.is_empty() {
                continue;
            }
            if std::mem::take(&mut self.empty) {
                json.remove(0);
            }
            place.send(Ok(json.into()));
        }
        for last in [Bytes::from_static(b"]"), Bytes::new()] {
            // Nothing at all says that this was the whole.
            if self.parts.send(Ok(last)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl<T> Data for List<T> {
    fn append_to(&self, json: &mut Vec<u8>) -> Result<()> {
        json.extend_from_slice(&self.json);
        Ok(())
    }

    fn rest(&mut self) -> Option<mpsc::Receiver<Result<Bytes>>> {
        self.rest.take()
    }
}

impl<T: JsonSchema> JsonSchema for List<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Vec::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<T>::json_schema(generator)
    }
}
