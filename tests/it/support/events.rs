//! A client of event streams, written from the HTML standard's section on server-sent events.

use reqwest::Response;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::client::Client;
use super::wait::soon;

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: String,
    pub kind: String,
    pub data: Value,
}

/// What a stream says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    Event(Event),
    Comment,
    End,
}

/// An open stream.
pub struct Stream {
    response: Response,
    pub headers: HeaderMap,
    text: Vec<u8>,
    /// The newest ID, with which it is gone on.
    pub last_id: String,
    pub retry: Option<u64>,
}

impl Stream {
    /// Opens a stream, whose beginning has come when this is done.
    pub async fn open(client: &Client, query: &str) -> Self {
        Self::of(client.http.get(client.url(&format!("/api/events{query}")))).await
    }

    /// Opens a stream that goes on after an event.
    pub async fn open_after(client: &Client, id: &str) -> Self {
        Self::of(client.http.get(client.url("/api/events")).header("Last-Event-ID", id)).await
    }

    /// Opens the stream that a request asks for.
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let request = request.timeout(std::time::Duration::from_secs(600));
        let response = soon("the head of a stream", request.send()).await.expect("an answer");
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap_or_default());
        let headers = response.headers().clone();
        let (text, last_id) = (Vec::new(), String::new());
        let mut stream = Self { response, headers, text, last_id, retry: None };
        while stream.last_id.is_empty() {
            let block = soon("the beginning of a stream", stream.block()).await.expect("a beginning");
            assert_eq!(stream.read(&block), None, "{block}");
        }
        stream
    }

    /// The next thing it says, however long that takes.
    pub async fn next(&mut self) -> Said {
        loop {
            let Some(block) = self.block().await else { return Said::End };
            let is_comment = block.lines().any(|line| line.starts_with(':'));
            match self.read(&block) {
                Some(event) => return Said::Event(event),
                None if is_comment => return Said::Comment,
                None => {}
            }
        }
    }

    /// The next event.
    pub async fn event(&mut self) -> Event {
        loop {
            match soon("an event", self.next()).await {
                Said::Event(event) => return event,
                Said::Comment => {}
                Said::End => panic!("the stream ended"),
            }
        }
    }

    /// Waits for its end, and gives the types of the events that came before.
    pub async fn ended(&mut self) -> Vec<String> {
        let mut kinds = Vec::new();
        loop {
            match soon("the end of a stream", self.next()).await {
                Said::Event(event) => kinds.push(event.kind),
                Said::Comment => {}
                Said::End => return kinds,
            }
        }
    }

    /// The next block of lines; none at the end, which must be an orderly one.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
                let block = self.text.drain(..end + 2).collect();
                return Some(String::from_utf8(block).expect("UTF-8"));
            }
            match self.response.chunk().await.expect("an orderly end") {
                Some(chunk) => self.text.extend_from_slice(&chunk),
                None => return None,
            }
        }
    }

    fn read(&mut self, block: &str) -> Option<Event> {
        let (mut kind, mut data) = (String::new(), Vec::new());
        for line in block.lines() {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "id" => self.last_id = value.to_owned(),
                "event" => kind = value.to_owned(),
                "data" => data.push(value),
                "retry" => self.retry = value.parse().ok(),
                _ => {}
            }
        }
        if data.is_empty() {
            return None;
        }
        let data: Value = serde_json::from_str(&data.join("\n")).expect("JSON");
        assert_eq!(data["type"], kind, "{block}");
        assert!(data["at"].is_i64(), "{block}");
        Some(Event { id: self.last_id.clone(), kind, data: data["data"].clone() })
    }
}
