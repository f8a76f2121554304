//! MAC addresses, in each notation that people copy them in, and those that no device has.

use reqwest::Method;
use serde_json::json;

use super::support::{Client, Scene, Server, scene, sqlite};

#[tokio::test]
async fn every_usual_notation_is_taken_and_one_is_kept() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let mut firmware = scene.firmware().await;
    for mac in [
        "0a:1b:2C:3d:4E:5f",
        "0A-1B-2C-3D-4E-5F",
        "0a1b.2c3d.4e5f",
        "0A1B.2C3D.4E5F",
        "0a1b2c3d4e5f",
        "0A1B2C3D4E5F",
        " 0a:1b:2c:3d:4e:5f\r\n",
        "\u{feff}0A1B2C3D4E5F",
    ] {
        let id = admin.create_device(scene.agent, mac).await;
        let path = format!("/api/devices/{id}");
        let mut stored = admin.get(&path).await.expect(200).data().clone();
        assert_eq!(stored["macAddress"], "0A:1B:2C:3D:4E:5F", "{mac:?}");
        stored["macAddress"] = json!(mac);
        admin.put(&path, stored).await.expect(200);
        assert_eq!(admin.get(&path).await.expect(200).data()["macAddress"], "0A:1B:2C:3D:4E:5F", "{mac:?}");
    }
    for mac in ["0a1b.2c3d.4e5f", "0A1B2C3D4E5F"] {
        let wake = scene.wake_mac(mac);
        let command = firmware.command().await;
        assert_eq!(command.json["macAddress"], "0A:1B:2C:3D:4E:5F", "{mac}");
        firmware.reply_ok(&command).await;
        wake.answer().await.expect(200);
        let ask = scene.ask(mac);
        let command = firmware.command().await;
        assert_eq!(command.json["address"], "0A:1B:2C:3D:4E:5F", "{mac}");
        firmware.reply(&command, scene::ONLINE).await;
        ask.answer().await.expect(200);
    }
    for junk in [
        "0a:1b:2c-3d:4e:5f",
        "0a1b.2c3d:4e5f",
        "0a1b2c3d4e5",
        "0a1b2c3d4e5f6",
        "0a1b.2c3d4.e5f",
        "0a 1b 2c 3d 4e 5f",
        "0g1b2c3d4e5f",
        "0a:1b:2c:3d:4e",
        "0a1b2c:3d4e5f",
        "０a1b2c3d4e5f",
    ] {
        let body = json!({"name": "d", "type": "nas", "macAddress": junk, "agentID": scene.agent});
        let reply = admin.post("/api/devices", body).await.expect(400);
        assert_eq!(reply.body["errors"][0]["field"], "macAddress", "{junk}");
    }
}

#[tokio::test]
async fn what_no_device_has_is_refused_unless_it_is_stored() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let nobodys = [
        "00:00:00:00:00:00",
        "FF:FF:FF:FF:FF:FF",
        "01:00:5E:00:00:01",
        "33:33:00:00:00:01",
        "000000000000",
        "ffff.ffff.ffff",
        "0100.5e00.0001",
        "11-22-33-44-55-66",
    ];
    let path = format!("/api/devices/{device}");
    for mac in nobodys {
        let body = json!({"name": "d", "type": "nas", "macAddress": mac, "agentID": agent});
        for reply in [admin.post("/api/devices", body.clone()).await, admin.put(&path, body).await] {
            let reply = reply.expect(400);
            assert_eq!(reply.body["errors"][0]["field"], "macAddress");
            for word in ["zeros", "broadcast", "multicast"] {
                assert!(reply.message().contains(word), "{mac}: {}", reply.text);
            }
        }
    }
    // What is stored passes as it is shown.
    let mut directory = server.stop().await;
    for mac in ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"] {
        let update = format!("UPDATE devices SET macAddress = '{mac}'");
        sqlite::execute(&directory.path().join("db.sqlite"), &update).await;
        let server = Server::start_in(directory, |_| {}).await;
        let admin = Client::login(server.address(), "admin", &admin.password).await;
        let mut whole = admin.get(&path).await.expect(200).data().clone();
        assert_eq!(whole["macAddress"], mac);
        whole["name"] = json!("renamed");
        admin.put(&path, whole).await.expect(200);
        assert_eq!(admin.get(&path).await.expect(200).data()["macAddress"], mac);
        directory = server.stop().await;
    }
}

#[tokio::test]
async fn what_is_no_device_is_refused_wherever_it_comes_in() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let commands = format!("/api/agents/{}/commands", scene.agent);
    for mac in ["01:00:5E:00:00:01", "FF:FF:FF:FF:FF:FF", "00:00:00:00:00:00"] {
        let wake = json!({"macAddress": mac, "port": 9});
        admin.post(&format!("{commands}/WAKEUP"), wake).await.expect(400);
        admin.post(&format!("{commands}/GET_STATUS"), json!({"address": mac})).await.expect(400);
    }
    for address in ["255.255.255.255", "0.0.0.0", "224.0.0.1", "::", "ff02::1", "::ffff:224.0.0.1"] {
        let body = json!({"name": "d", "type": "nas", "macAddress": scene::MAC, "agentID": scene.agent, "address": address});
        let reply = admin.post("/api/devices", body).await.expect(400);
        assert_eq!(reply.body["errors"][0]["field"], "address", "{address}");
    }
    // A row of an adopted database, which nobody has checked.
    let directory = scene.server.stop().await;
    sqlite::execute(
        &directory.path().join("db.sqlite"),
        "UPDATE devices SET macAddress = 'FF:FF:FF:FF:FF:FF'",
    )
    .await;
    let server = Server::start_in(directory, |_| {}).await;
    let admin = Client::login(server.address(), "admin", &scene.admin.password).await;
    let wake =
        admin.request(Method::POST, &format!("/api/devices/{}/wakeup", scene.device), None).await.expect(409);
    assert_eq!(wake.code(), "no_mac_address");
}
