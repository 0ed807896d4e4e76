//! An address of its own.

use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::super::Listener;
use super::*;

async fn ask(stream: &mut TcpStream, bytes: &[u8], answer: &str) {
    stream.write_all(bytes).await.unwrap();
    let mut came = vec![0; answer.len()];
    stream.read_exact(&mut came).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&came), answer);
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn requests_are_served_upgrades_are_not_and_newcomers_take_the_place_of_the_idle() {
    let rig = Rig::default();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
    let address = listener.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(listener.serve(Arc::clone(&rig.server), async { drop(stopped.await) }));

    let expected = answer("GET /get 127.0.0.1 ");
    let mut first = TcpStream::connect(address).await.unwrap();
    ask(&mut first, GET, &expected).await;
    ask(&mut first, GET, &expected).await;

    let mut upgrade = TcpStream::connect(address).await.unwrap();
    upgrade.write_all(UPGRADE).await.unwrap();
    let answers = read_all(&mut upgrade).await;
    assert!(answers.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answers}");
    drop(upgrade);

    let mut others = Vec::new();
    for _ in 0..4 {
        let mut next = TcpStream::connect(address).await.unwrap();
        ask(&mut next, GET, &expected).await;
        others.push(next);
    }
    assert_eq!(read_all(&mut first).await, "", "it has made room");

    rig.draining.send_replace(true);
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
