//! Lists in pages: orders, filters, searches, and cursors that stay good while rows come and go.

use std::time::Instant;

use serde_json::{Value, json};

use super::support::scene::{MAC, SECRET, Scene};
use super::support::wait::until;
use super::support::{Client, Reply, Server, sqlite};

/// Makes a device and gives its ID.
async fn make(client: &Client, agent: i64, name: &str, mac: &str, kind: &str, address: Option<&str>) -> i64 {
    let body = json!({"name": name, "type": kind, "description": "wall", "macAddress": mac, "agentID": agent,
        "address": address});
    client.post("/api/devices", body).await.expect(201).id()
}

fn ids(reply: &Reply) -> Vec<i64> {
    let rows = reply.data().as_array().expect("a list").iter();
    rows.map(|row| row["id"].as_i64().expect("an ID")).collect()
}

/// The path of the next page, if there is one.
fn next(reply: &Reply) -> Option<String> {
    let link = reply.header("link")?;
    let path = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
    Some(path.unwrap_or_else(|| panic!("not a link: {link}")).to_owned())
}

/// All pages of a list, one after the other.
async fn pages(client: &Client, path: &str) -> Vec<Vec<i64>> {
    let (mut pages, mut path) = (Vec::new(), Some(path.to_owned()));
    while let Some(asked) = path {
        assert!(pages.len() < 100, "no end: {asked}");
        let reply = client.get(&asked).await.expect(200);
        pages.push(ids(&reply));
        path = next(&reply);
    }
    pages
}

async fn found(client: &Client, path: &str) -> Vec<i64> {
    ids(&client.get(path).await.expect(200))
}

/// The query with this text looked for.
fn q(list: &str, text: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("q", text);
    format!("/api/{list}?{}", query.finish())
}

#[tokio::test]
async fn a_list_comes_in_pages_in_the_order_that_is_asked_for() {
    let Scene { server: _server, admin, agent, device } = Scene::new("server").await;
    let mut named = vec![(device, "Device", "desktop")];
    for (name, kind) in [
        ("zebra", "nas"),
        ("Äpfel", "server"),
        ("apfel", "laptop"),
        ("Ebene", "server"),
        ("éclair", "printer"),
        ("zebra", "desktop"),
    ] {
        named.push((make(&admin, agent, name, MAC, kind, None).await, name, kind));
    }
    let whole = admin.get("/api/devices").await.expect(200);
    let all = ids(&whole);
    assert_eq!(all, named.iter().map(|(id, ..)| *id).collect::<Vec<_>>());
    assert_eq!(next(&whole), None);

    // One page that holds all is the list as it is.
    let paged = admin.get("/api/devices?limit=500").await.expect(200);
    assert_eq!((paged.data(), paged.message(), next(&paged)), (whole.data(), whole.message(), None));
    assert!(paged.header("netignite-event-id").is_some());
    assert_eq!(pages(&admin, "/api/devices?limit=7").await.len(), 1, "none is left over");

    let place = |name: &str| named.iter().position(|(_, known, _)| *known == name).unwrap();
    let by_name: Vec<i64> = ["Äpfel", "apfel", "Device", "Ebene", "éclair"]
        .iter()
        .map(|name| named[place(name)].0)
        .chain([named[1].0, named[6].0])
        .collect();
    let mut by_type = named.clone();
    by_type.sort_by_key(|(id, _, kind)| (*kind, *id));
    let by_type: Vec<i64> = by_type.into_iter().map(|(id, ..)| id).collect();
    for (sort, expected) in [("id", &all), ("name", &by_name), ("type", &by_type), ("state", &all)] {
        for limit in [1, 2, 3, 6, 7] {
            let path = format!("/api/devices?sort={sort}&limit={limit}");
            let pages_up = pages(&admin, &path).await;
            assert!(pages_up.iter().rev().skip(1).all(|page| page.len() == limit), "{path}: {pages_up:?}");
            assert_eq!(&pages_up.concat(), expected, "{path}");
            let mut down = pages(&admin, &format!("/api/devices?sort=-{sort}&limit={limit}")).await.concat();
            down.reverse();
            assert_eq!(&down, expected, "{path}, descending");
        }
    }
    // Agents have the same.
    let mut agents = vec![agent];
    for (name, kind) in [("ähre", "microcontroller"), ("Zug", "server"), ("Ahorn", "server")] {
        let body = json!({"name": name, "type": kind, "description": "", "secret": SECRET});
        agents.push(admin.post("/api/agents", body).await.expect(201).id());
    }
    let whole = admin.get("/api/agents").await.expect(200);
    assert_eq!(admin.get("/api/agents?limit=4").await.expect(200).data(), whole.data());
    for (sort, order) in [("id", [0, 1, 2, 3]), ("name", [0, 3, 1, 2]), ("type", [1, 0, 2, 3])] {
        // "Agent" stands before "ahorn" and "ahre".
        let expected: Vec<i64> = order.iter().map(|place| agents[*place]).collect();
        assert_eq!(
            pages(&admin, &format!("/api/agents?sort={sort}&limit=3")).await.concat(),
            expected,
            "{sort}"
        );
    }
    assert_eq!(found(&admin, &q("agents", "ÄHR")).await, [agents[1]]);
}

#[tokio::test]
async fn rows_that_come_and_go_between_pages_move_no_other() {
    let Scene { server: _server, admin, agent, device } = Scene::new("server").await;
    admin.delete(&format!("/api/devices/{device}")).await.expect(200);
    let mut made = Vec::new();
    for name in ["b", "d", "f", "h", "j", "l"] {
        made.push(make(&admin, agent, name, MAC, "nas", None).await);
    }
    for sort in ["name", "-name", "id", "-id", "state", "type"] {
        let first = admin.get(&format!("/api/devices?sort={sort}&limit=3")).await.expect(200);
        let shown = ids(&first);
        let rest: Vec<i64> = {
            let mut all = made.clone();
            if sort.starts_with('-') {
                all.reverse();
            }
            assert_eq!(shown, all[..3], "{sort}");
            all[3..].to_vec()
        };
        // The first, and the one that the cursor stands at, go; others come before and after it.
        for gone in [shown[0], shown[2]] {
            admin.delete(&format!("/api/devices/{gone}")).await.expect(200);
        }
        let (before, after) = if sort == "-name" { ("x", "a") } else { ("a", "x") };
        let early = make(&admin, agent, before, MAC, "nas", None).await;
        let late = make(&admin, agent, after, MAC, "nas", None).await;
        let left = pages(&admin, &next(&first).expect("a next page")).await.concat();
        let standing: Vec<i64> = left.iter().copied().filter(|id| *id != early && *id != late).collect();
        assert_eq!(standing, rest, "{sort}: each of the others once");
        if sort.ends_with("name") {
            assert_eq!(left.last(), Some(&late), "{sort}");
            assert!(!left.contains(&early), "{sort}");
        }
        // The same cursor again, and a renamed one that moves before it.
        assert_eq!(pages(&admin, &next(&first).unwrap()).await.concat(), left, "{sort}");
        for id in found(&admin, "/api/devices?limit=500").await {
            admin.delete(&format!("/api/devices/{id}")).await.expect(200);
        }
        made.clear();
        for name in ["b", "d", "f", "h", "j", "l"] {
            made.push(make(&admin, agent, name, MAC, "nas", None).await);
        }
    }
}

#[tokio::test]
async fn devices_are_found_by_name_address_and_mac_address_in_each_notation() {
    let Scene { server: _server, admin, agent, device } = Scene::new("server").await;
    let tower =
        make(&admin, agent, "Großer Äpfel-Turm", "00-1B-C3-D4-E5-F6", "server", Some("nas.Example.org"))
            .await;
    let odd =
        make(&admin, agent, r#"100% "a_b" 'x' \ <b>"#, "02:00:00:00:00:01", "nas", Some("192.168.17.4"))
            .await;
    for typed in [
        "00:1b:c3:d4:e5:f6",
        "00:1B:C3",
        "c3:d4",
        "3:d4:e",
        "00-1b-c3-d4-e5-f6",
        "D4-E5",
        "001b.c3d4.e5f6",
        "1b.c3d4",
        "c3d4.e5",
        "001BC3D4E5F6",
        "c3d4",
        "bc3d",
        "GROSSER",
        "großer äpfel",
        "apfel-t",
        "ÄPFEL-TURM",
        "A\u{308}pfel",
        "  Turm  ",
        "EXAMPLE",
    ] {
        assert_eq!(found(&admin, &q("devices", typed)).await, [tower], "{typed}");
    }
    for typed in ["100%", "a_b", "\"a_b\"", "'x'", "\\", "<b>", "192.168.17", "168.17.4", "02:00"] {
        assert_eq!(found(&admin, &q("devices", typed)).await, [odd], "{typed}");
    }
    // Neither patterns nor SQL, nor what is not searched; octets are not found across their bounds.
    for typed in
        ["%", "_", "a%b", "axb", "' OR 1=1 --", "\"; DROP TABLE devices", "wall", "0:1b:c", "b:c3:d4:e5:f"]
    {
        let expected: &[i64] = match typed {
            "%" | "_" => &[odd],
            "0:1b:c" | "b:c3:d4:e5:f" => &[tower],
            _ => &[],
        };
        assert_eq!(found(&admin, &q("devices", typed)).await, expected, "{typed}");
    }
    assert_eq!(found(&admin, &q("devices", "bc:3d")).await, [] as [i64; 0]);
    assert_eq!(found(&admin, &q("devices", "")).await, [device, tower, odd], "nothing is looked for");

    // What is changed is found as it is now.
    let body = json!({"name": "Шкаф", "type": "nas", "macAddress": "0A:0A:0A:0A:0A:0A", "agentID": agent,
        "address": null});
    admin.put(&format!("/api/devices/{tower}"), body).await.expect(200);
    for typed in ["Turm", "c3:d4", "example"] {
        assert_eq!(found(&admin, &q("devices", typed)).await, [] as [i64; 0], "{typed}");
    }
    for typed in ["шКА", "0a0a.0a", "0a:0a:0a:0a:0a:0a"] {
        assert_eq!(found(&admin, &q("devices", typed)).await, [tower], "{typed}");
    }
    let body = json!({"name": "Ωmega", "type": "server", "description": ""});
    admin.put(&format!("/api/agents/{agent}"), body).await.expect(200);
    assert_eq!(found(&admin, &q("agents", "ωM")).await, [agent]);
    assert_eq!(found(&admin, &q("agents", "Agent")).await, [] as [i64; 0]);
}

#[tokio::test]
async fn what_is_no_value_is_refused_by_name() {
    let Scene { server: _server, admin, agent, .. } = Scene::new("server").await;
    for _ in 0..2 {
        admin.create_device(agent, MAC).await;
        admin.create_agent("server", SECRET).await;
    }
    let long = "a".repeat(10_000);
    for list in ["devices", "agents"] {
        let first = admin.get(&format!("/api/{list}?limit=1")).await.expect(200);
        let cursor = next(&first).unwrap().split_once("cursor=").unwrap().1.to_owned();
        let other = if list == "devices" { "agents" } else { "devices" };
        let of_other = admin.get(&format!("/api/{other}?limit=1")).await.expect(200);
        let of_other = next(&of_other).unwrap().split_once("cursor=").unwrap().1.to_owned();
        let cases = [
            ("limit", "limit=0".to_owned()),
            ("limit", "limit=501".to_owned()),
            ("limit", "limit=-1".to_owned()),
            ("limit", "limit=1.5".to_owned()),
            ("limit", "limit=".to_owned()),
            ("limit", "limit=1&limit=2".to_owned()),
            ("sort", "sort=".to_owned()),
            ("sort", "sort=-".to_owned()),
            ("sort", "sort=--id".to_owned()),
            ("sort", "sort=secret".to_owned()),
            ("sort", "sort=name,id".to_owned()),
            ("sort", "sort=Name".to_owned()),
            ("state", "state=up".to_owned()),
            ("state", "state=".to_owned()),
            ("type", "type=toaster".to_owned()),
            ("ownerID", "ownerID=0".to_owned()),
            ("ownerID", "ownerID=x".to_owned()),
            ("q", format!("q={long}")),
            ("q", "q=a%00b".to_owned()),
            ("q", "q=%00".to_owned()),
            ("q", "q=a%0Ab".to_owned()),
            ("q", "q=a&q=b".to_owned()),
            ("cursor", "cursor=".to_owned()),
            ("cursor", "cursor=7".to_owned()),
            ("cursor", format!("cursor={long}")),
            ("cursor", format!("cursor={cursor}A")),
            ("cursor", format!("cursor={}", &cursor[..cursor.len() - 2])),
            ("cursor", format!("cursor={cursor}&sort=-id")),
            ("cursor", format!("cursor={cursor}&sort=name")),
            ("cursor", format!("cursor={of_other}")),
        ];
        for (field, query) in cases {
            let reply = admin.get(&format!("/api/{list}?{query}")).await.expect(400);
            assert_eq!(reply.body["errors"][0]["field"], field, "{query}: {}", reply.text);
            assert!(reply.message().contains(field), "{query}: {}", reply.text);
        }
        admin.get(&format!("/api/{list}?cursor={cursor}")).await.expect(200);
        admin.get(&format!("/api/{list}?q=%FF%FE")).await.expect(200);
        admin.get(&q(list, &"ß".repeat(255))).await.expect(200);
    }
    for query in ["shared=2", "shared=", "agentID=x", "agentID=", "state=gone"] {
        let reply = admin.get(&format!("/api/devices?{query}")).await.expect(400);
        assert!(reply.message().contains(query.split('=').next().unwrap()), "{}", reply.text);
    }
    admin.get("/api/agents?state=waking").await.expect(400);
}

#[tokio::test]
async fn filters_leave_what_they_name_and_shared_devices_are_among_the_others() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let bob = server.user(&admin, "bob", "user").await;
    let his_agent = bob.create_agent("server", SECRET).await;
    let mut his = Vec::new();
    for name in ["alpha", "gamma", "omega"] {
        his.push(make(&bob, his_agent, name, "02:00:00:00:00:01", "nas", None).await);
    }
    let beta = make(&admin, agent, "Beta", "02:00:00:00:00:02", "laptop", None).await;
    let body = json!({"username": "bob", "permissions": ["view"]});
    for id in [device, beta] {
        admin.post(&format!("/api/devices/{id}/shares"), body.clone()).await.expect(201);
    }
    let unshared = make(&admin, agent, "delta", "02:00:00:00:00:03", "nas", None).await;

    let by_name = [his[0], beta, device, his[1], his[2]];
    for limit in 1..=6 {
        assert_eq!(pages(&bob, &format!("/api/devices?sort=name&limit={limit}")).await.concat(), by_name);
        let mut down = pages(&bob, &format!("/api/devices?sort=-name&limit={limit}")).await.concat();
        down.reverse();
        assert_eq!(down, by_name);
    }
    let whole = bob.get("/api/devices").await.expect(200);
    assert_eq!(
        bob.get("/api/devices?limit=9").await.expect(200).data(),
        whole.data(),
        "as they are shown whole"
    );
    let owner = admin.user;
    for (query, expected) in [
        ("shared=true".to_owned(), vec![device, beta]),
        ("shared=false".to_owned(), his.clone()),
        ("type=laptop".to_owned(), vec![beta]),
        ("type=nas".to_owned(), his.clone()),
        (format!("ownerID={owner}"), vec![device, beta]),
        (format!("agentID={his_agent}"), his.clone()),
        // Which agent reaches a shared device is not shared.
        (format!("agentID={agent}"), vec![]),
        ("q=BETA".to_owned(), vec![beta]),
        ("q=delta".to_owned(), vec![]),
        ("q=02:00:00:00:00".to_owned(), {
            let mut all = his.clone();
            all.push(beta);
            all
        }),
        ("state=online".to_owned(), vec![]),
        ("q=e&type=laptop&shared=true&state=unknown".to_owned(), vec![beta]),
        // Whoever is no admin has no such mode.
        ("limit=9&adminMode=true&q=delta".to_owned(), vec![]),
    ] {
        assert_eq!(found(&bob, &format!("/api/devices?{query}")).await, expected, "{query}");
    }
    let everyone = found(&admin, "/api/devices?limit=9&adminMode=true").await;
    assert_eq!(everyone.len(), 6);
    let query = format!("/api/devices?adminMode=true&ownerID={}&sort=-name", bob.user);
    assert_eq!(found(&admin, &query).await, [his[2], his[1], his[0]]);
    assert_eq!(found(&admin, "/api/devices?adminMode=true&shared=true").await, [] as [i64; 0]);
    assert_eq!(found(&admin, "/api/devices?limit=9").await, [device, beta, unshared]);
    assert_eq!(found(&admin, &format!("/api/agents?adminMode=true&ownerID={}", bob.user)).await, [his_agent]);
    assert_eq!(found(&admin, "/api/agents?limit=9").await, [agent]);
    assert_eq!(found(&bob, "/api/agents?type=microcontroller").await, [] as [i64; 0]);

    // Favourites, and a token for some devices.
    let body = json!({"username": "bob", "favorites": [his[2], beta, unshared]});
    bob.put(&format!("/api/account/{}", bob.user), body).await.expect(200);
    assert_eq!(found(&bob, "/api/devices?onlyFavorites=true&sort=-name").await, [his[2], beta]);
    let body = json!({"name": "n", "permissions": ["devices:read"], "deviceIDs": [his[1], beta]});
    let token = bob.post("/api/account/tokens", body).await.expect(201).data()["token"].clone();
    let token = token.as_str().unwrap();
    for (query, expected) in [("limit=1", vec![vec![his[1]], vec![beta]]), ("q=alpha", vec![vec![]])] {
        let (mut path, mut seen) = (Some(format!("/api/devices?{query}")), Vec::new());
        while let Some(asked) = path {
            let request = server.anonymous().http.get(bob.url(&asked)).bearer_auth(token);
            let reply = server.anonymous().send(request).await.expect(200);
            seen.push(ids(&reply));
            path = next(&reply);
        }
        assert_eq!(seen, expected, "{query}");
    }

    // A share that ends between two pages.
    let first = bob.get("/api/devices?sort=name&limit=1").await.expect(200);
    for share in
        admin.get(&format!("/api/devices/{beta}/shares")).await.expect(200).data().as_array().unwrap()
    {
        admin.delete(&format!("/api/devices/{beta}/shares/{}", share["id"])).await.expect(200);
    }
    let rest = pages(&bob, &next(&first).unwrap()).await.concat();
    assert_eq!(rest, [device, his[1], his[2]]);
}

#[tokio::test]
async fn some_are_asked_for_by_their_ids() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let bob = server.user(&admin, "bob", "user").await;
    let his_agent = bob.create_agent("server", SECRET).await;
    let his = make(&bob, his_agent, "his", MAC, "nas", None).await;
    let more = make(&admin, agent, "more", MAC, "nas", None).await;
    let shared = make(&admin, agent, "beta", MAC, "laptop", None).await;
    let body = json!({"username": "bob", "permissions": ["view"]});
    admin.post(&format!("/api/devices/{shared}/shares"), body).await.expect(201);
    admin.put("/api/account/1", json!({"username": "admin", "favorites": [more, his]})).await.expect(200);

    let all = format!("{shared},{his},{device},{more},9223372036854775807,{more}");
    let whole = admin.get("/api/devices").await.expect(200);
    assert_eq!(admin.get(&format!("/api/devices?ids={all}")).await.expect(200).data(), whole.data());
    for (who, query, expected) in [
        (&admin, "sort=name".to_owned(), vec![shared, device, more]),
        (&admin, "sort=-id&type=nas".to_owned(), vec![more]),
        (&admin, "adminMode=true".to_owned(), vec![device, his, more, shared]),
        (&admin, "onlyFavorites=true&sort=-id".to_owned(), vec![more]),
        (&admin, "onlyFavorites=true".to_owned(), vec![more]),
        (&bob, "sort=name".to_owned(), vec![shared, his]),
        (&bob, "shared=true".to_owned(), vec![shared]),
        (&bob, format!("agentID={his_agent}"), vec![his]),
    ] {
        let path = format!("/api/devices?ids={all}&{query}");
        let mut expected = expected;
        if !query.contains("sort") {
            expected.sort_unstable();
        }
        assert_eq!(found(who, &path).await, expected, "{path}");
        assert_eq!(pages(who, &format!("{path}&limit=1")).await.concat(), expected, "{path}");
    }
    assert_eq!(found(&admin, &format!("/api/devices?ids={his}")).await, [] as [i64; 0]);

    let all = format!("{his_agent}%2C{agent},4711");
    for (who, query, expected) in [
        (&admin, "", vec![agent]),
        (&admin, "&adminMode=true&sort=-id", vec![his_agent, agent]),
        (&admin, "&adminMode=true&sort=state", vec![agent, his_agent]),
        (&admin, "&state=online", vec![]),
        (&bob, "&q=nothing", vec![]),
        (&bob, "&state=offline&type=server", vec![his_agent]),
    ] {
        let path = format!("/api/agents?ids={all}{query}");
        assert_eq!(found(who, &path).await, expected, "{path}");
    }

    let most = vec![agent.to_string(); 500].join(",");
    assert_eq!(found(&admin, &format!("/api/agents?ids={most}")).await, [agent]);
    let too_many = format!("{most},{agent}");
    for list in ["agents", "devices"] {
        for bad in ["", "x", "1,", "0", "-1", "01", "1.5", "1, 2", "9223372036854775808", &too_many] {
            let reply = admin.get(&format!("/api/{list}?ids={bad}")).await.expect(400);
            let expected = "Invalid query: ids: expected at most 500 IDs with commas between them, as in 1,2";
            assert_eq!(reply.message(), expected, "{bad}");
        }
        for nearly in ["ids[]=1", "IDs=1", "ids=1&ids=2"] {
            let reply = admin.get(&format!("/api/{list}?{nearly}")).await.expect(400);
            assert_eq!(reply.code(), "invalid_payload", "{nearly}");
        }
    }
}

#[tokio::test]
async fn lists_are_sorted_and_filtered_by_what_is_there_now() {
    let scene = Scene::new("server").await;
    let Scene { server, admin, agent, device } = &scene;
    let other = admin.create_agent("microcontroller", SECRET).await;
    let third = admin.create_agent("server", SECRET).await;
    let mut body = admin.get(&format!("/api/devices/{device}")).await.expect(200).data().clone();
    body["hostAgentID"] = json!(other);
    let second = admin.create_device(*agent, MAC).await;
    admin.put(&format!("/api/devices/{second}"), body).await.expect(200);

    assert_eq!(found(admin, "/api/agents?state=online").await, [] as [i64; 0]);
    let firmware = super::support::Firmware::connect(server.address(), other, SECRET).await;
    let serving = tokio::spawn(firmware.serve());
    assert_eq!(found(admin, "/api/agents?state=online").await, [other]);
    assert_eq!(found(admin, "/api/agents?state=offline&sort=-id").await, [third, *agent]);
    for limit in [1, 2, 3] {
        let pages_of =
            async |sort: &str| pages(admin, &format!("/api/agents?sort={sort}&limit={limit}")).await.concat();
        assert_eq!(pages_of("state").await, [*agent, third, other]);
        assert_eq!(pages_of("-state").await, [other, third, *agent]);
    }
    let shown = admin.get("/api/agents?state=online").await.expect(200);
    assert_eq!(shown.data()[0]["presence"]["state"], "online");
    assert_eq!(found(admin, "/api/agents?state=online&type=server").await, [] as [i64; 0]);
    assert_eq!(found(admin, "/api/agents?sort=-state&state=offline").await, [third, *agent]);

    // The device that runs this agent.
    until("the device online", || async {
        (found(admin, "/api/devices?state=online").await == [second]).then_some(())
    })
    .await;
    assert_eq!(found(admin, "/api/devices?state=unknown").await, [*device]);
    assert_eq!(found(admin, "/api/devices?sort=state").await, [second, *device]);
    assert_eq!(pages(admin, "/api/devices?sort=-state&limit=1").await, [[*device], [second]]);
    serving.abort();
}

/// What an adopted database holds is found, too.
#[tokio::test]
async fn an_adopted_database_is_found_in_pages() {
    let directory = tempfile::tempdir().unwrap();
    let original = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/original.sqlite");
    let path = netignite::store::database_path(directory.path());
    std::fs::copy(original, &path).unwrap();
    sqlite::execute(
        &path,
        "INSERT INTO devices (id, name, type, description, macAddress, port, agentID, ownerID) VALUES \
         (9001, 'ÜBERALL', 'desktop', '', 'aa-bb-cc-0d-0e-0f', 9, 1, 1), (9002, '', 'nas', '', 'Nonsense', 9, 1, 1)",
    )
    .await;
    let server = Server::start_in(directory, |_| {}).await;
    let admin = Client::login(server.address(), "admin", "123456").await;
    for (typed, expected) in [("überall", 9001), ("AABB.CC0D", 9001), ("0d:0e", 9001), ("nonsense", 9002)] {
        assert_eq!(found(&admin, &q("devices", typed)).await, [expected], "{typed}");
    }
    assert!(found(&admin, "/api/devices?type=desktop").await.contains(&9001), "as it is shown");
    let whole = ids(&admin.get("/api/devices?adminMode=true").await.expect(200));
    for sort in ["id", "name", "-type", "state"] {
        let mut paged =
            pages(&admin, &format!("/api/devices?adminMode=true&limit=2&sort={sort}")).await.concat();
        paged.sort_unstable();
        assert_eq!(paged, whole, "{sort}");
    }
}

/// More rows than are looked at in one reading. `LIST_ROWS=300000` measures a fleet.
#[tokio::test]
async fn a_search_goes_through_many_rows_a_stretch_at_a_time() {
    let rows: i64 = std::env::var("LIST_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(25_000);
    let scene = Scene::new("server").await;
    let (agent, owner) = (scene.agent, scene.admin.user);
    let password = scene.server.password.clone();
    let directory = scene.server.stop().await;
    sqlite::execute(
        &netignite::store::database_path(directory.path()),
        &format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
             INSERT INTO devices (name, type, macAddress, port, agentID, ownerID, search) \
             SELECT 'Machine ' || i, 'server', printf('02:00:00:%02X:%02X:%02X', i >> 16, (i >> 8) & 255, i & 255), 9, \
             {agent}, {owner}, 'machine ' || (i * 7919 % {rows}) || char(1) || char(1) || 'ACAAAA' FROM n; \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
             INSERT INTO agents (name, type, description, secret, ownerID, search) \
             SELECT 'Agent ' || i, 'server', '', X'', {owner}, 'agent' || char(1) || char(1) FROM n"
        ),
    )
    .await;
    let server = Server::start_in(directory, |_| {}).await;
    let admin = Client::login(server.address(), "admin", &password).await;
    let last = rows - 1;
    for (path, expected) in [
        (format!("devices?q=machine%20{last}"), Some(1)),
        ("devices?q=nowhere".to_owned(), Some(0)),
        ("devices?q=nowhere&sort=name".to_owned(), Some(0)),
        ("devices?q=nowhere&sort=-state&adminMode=true".to_owned(), Some(0)),
        ("devices?q=machine&sort=-name".to_owned(), Some(100)),
        ("devices?state=online".to_owned(), Some(0)),
        ("devices?sort=name&limit=500".to_owned(), Some(500)),
        ("devices?type=nas&sort=type".to_owned(), Some(0)),
        ("agents?q=nowhere&sort=name".to_owned(), Some(0)),
        ("agents?state=online".to_owned(), Some(0)),
        ("agents?sort=-state".to_owned(), Some(100)),
        ("agents?q=agent&sort=state".to_owned(), Some(100)),
        ("agents?q=agent&sort=-name&type=server&limit=500".to_owned(), Some(500)),
        (format!("agents?ids=1,2,{last}"), Some(3)),
        (format!("devices?ids=1,2,{last}"), Some(3)),
        ("devices".to_owned(), None),
        ("agents".to_owned(), None),
    ] {
        let begun = Instant::now();
        let reply = admin.get(&format!("/api/{path}")).await.expect(200);
        println!("{rows} rows, {path}: {:?}", begun.elapsed());
        let count = reply.data().as_array().map_or(0, Vec::len);
        match expected {
            Some(expected) => assert_eq!(count, expected, "{path}"),
            None => assert_eq!(count as i64, rows + 1, "{path}"),
        }
    }
    // Deep among rows that are alike.
    let (mut path, mut left) = (Some("/api/agents?sort=name&limit=500".to_owned()), rows + 1);
    while let Some(asked) = path.take().filter(|_| left > rows - 20_000) {
        let page = admin.get(&asked).await.expect(200);
        let ids = ids(&page);
        assert!(ids.is_sorted(), "{asked}");
        (path, left) = (next(&page), left - ids.len() as i64);
    }
    assert!(left <= rows - 20_000, "{left} left");
    let page = admin.get("/api/devices?sort=-name&limit=500&q=machine%201").await.expect(200);
    let path = next(&page).expect("more");
    let more = admin.get(&path).await.expect(200);
    assert!(ids(&more).iter().all(|id| !ids(&page).contains(id)));
    assert_eq!(page.data()[0]["agentID"], Value::from(agent));
}
