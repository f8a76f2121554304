//! An authenticator app, written from RFC 4226 and RFC 6238, with nothing of what the server computes codes with.

use serde_json::json;
use sha1::{Digest, Sha1};

use super::client::Client;
use super::server::Server;

/// Someone's app.
#[derive(Clone)]
pub struct Authenticator {
    seed: Vec<u8>,
}

impl Authenticator {
    /// The app that was given a secret, in base32.
    pub fn of(secret: &str) -> Self {
        let (mut seed, mut bits, mut held) = (Vec::new(), 0_u32, 0);
        for c in secret.bytes() {
            let value = match c {
                b'A'..=b'Z' => c - b'A',
                b'2'..=b'7' => c - b'2' + 26,
                _ => panic!("not base32: {secret}"),
            };
            bits = bits << 5 | u32::from(value);
            held += 5;
            if held >= 8 {
                held -= 8;
                seed.push((bits >> held) as u8);
                bits &= (1 << held) - 1;
            }
        }
        Self { seed }
    }

    /// Sets up the second factor of a client that is logged in. Gives its app and its recovery codes.
    pub async fn set_up(server: &Server, client: &Client) -> (Self, Vec<String>) {
        let body = json!({"currentPassword": client.password});
        let begun = client.post("/api/account/totp", body).await.expect(201);
        let app = Self::of(begun.data()["secret"].as_str().expect("a secret"));
        let body = json!({"code": app.code(server.host().clock.now())});
        let done = client.post("/api/account/totp/confirm", body).await.expect(200);
        let codes = done.data()["recoveryCodes"].as_array().expect("a list").iter();
        (app, codes.map(|code| code.as_str().expect("a code").to_owned()).collect())
    }

    /// The code that is shown at a time in milliseconds.
    pub fn code(&self, now: i64) -> String {
        self.hotp((now / 30_000).try_into().expect("a time after 1970"))
    }

    fn hotp(&self, counter: u64) -> String {
        let mac = hmac_sha1(&self.seed, &counter.to_be_bytes());
        let offset = usize::from(mac[19] & 15);
        let four: [u8; 4] = mac[offset..offset + 4].try_into().expect("four bytes");
        format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
    }
}

fn hmac_sha1(key: &[u8], message: &[u8]) -> [u8; 20] {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha1::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha1::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

#[test]
fn the_app_shows_what_the_rfcs_say() {
    let app = Authenticator::of("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    assert_eq!(app.seed, b"12345678901234567890");
    // RFC 4226, appendix D.
    let codes: Vec<_> = (0..10).map(|counter| app.hotp(counter)).collect();
    let expected =
        ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
    assert_eq!(codes, expected);
    // RFC 6238, appendix B, in six digits.
    for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
        assert_eq!(app.code(seconds * 1000), code);
    }
}
