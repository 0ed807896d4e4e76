//! Drains, and connections that make room for others.

use super::*;

#[tokio::test]
async fn in_a_drain_idle_connections_end_and_answers_are_the_last() {
    let rig = Rig::default();
    let mut idle = rig.connect();
    idle.send(GET).await;
    idle.expect(&answer("GET /get 192.0.2.1 ")).await;
    let mut busy = rig.connect();
    busy.send(GET).await;
    busy.expect(&answer("GET /get 192.0.2.1 ")).await;
    busy.send(&POST[..10]).await;
    rig.draining.send_replace(true);
    let (ended, stream) = idle.served.await.unwrap();
    assert_eq!(ended, Ended::Closed);
    drop(stream);
    busy.send(&POST[10..]).await;
    assert_eq!(busy.read_all().await, last_answer("POST /ask?a=b 192.0.2.1 hello"));
}

#[tokio::test]
async fn in_a_drain_the_first_request_of_a_connection_is_served_all_the_same() {
    let rig = Rig::default();
    rig.draining.send_replace(true);
    let mut client = rig.connect();
    client.send(b"").await;
    client.send(&[GET, GET].concat()).await;
    assert_eq!(client.read_all().await, last_answer("GET /get 192.0.2.1 "));
    rig.draining.send_replace(false);
    let mut client = rig.connect();
    client.send(&[GET, GET].concat()).await;
    client.expect(&answer("GET /get 192.0.2.1 ").repeat(2)).await;
}

#[tokio::test]
async fn an_upgrade_goes_back_in_a_drain_too() {
    let rig = Rig::default();
    rig.draining.send_replace(true);
    let mut client = rig.connect();
    client.send(UPGRADE).await;
    assert_eq!(client.end().await.1, Ended::Upgrade { bytes: UPGRADE.to_vec() });
}

#[tokio::test]
async fn who_has_been_idle_for_longest_makes_room() {
    let rig = Rig::default();
    let mut busy = rig.connect();
    busy.send(&POST[..POST.len() - 1]).await;
    let mut clients = [rig.connect(), rig.connect()];
    for client in clients.iter_mut() {
        client.send(GET).await;
        client.expect(&answer("GET /get 192.0.2.1 ")).await;
    }
    rig.server.make_room();
    let [oldest, mut other] = clients;
    assert_eq!(oldest.served.await.unwrap().0, Ended::Closed);
    other.send(GET).await;
    other.expect(&answer("GET /get 192.0.2.1 ")).await;
    busy.send(b"o").await;
    busy.expect(&answer("POST /ask?a=b 192.0.2.1 hello")).await;
}
