//! TLS and HTTP/2, with a certificate of the test's own.

#![allow(clippy::unwrap_used, reason = "tests")]

mod rig;

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use holdfast_upstream::{Document, DocumentError, Endpoint, Kind, Limits, Repeat, Tls};
use http::{HeaderMap, Request, Response, Version};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::join;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use rig::*;

type Secure = TlsStream<TcpStream>;

/// A service with TLS, and who trusts it.
struct Service {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    told: Told,
    tls: Tls,
}

impl Service {
    async fn new(protocols: &[&str]) -> Self {
        let made = rcgen::generate_simple_self_signed(["service.example".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(certificate.as_bytes()).unwrap();
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let told = Told::default();
        let (listener, _) = listen().await;
        told.say(&[listener.local_addr().unwrap()]);
        let tls = Tls::new(Some(file.path())).unwrap();
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), told, tls }
    }

    fn endpoint(&self, limits: Limits) -> Endpoint {
        self.endpoint_at("https://service.example/e/{event}?code=1", limits)
    }

    fn endpoint_at(&self, address: &str, limits: Limits) -> Endpoint {
        endpoint_of(&self.told.client(self.tls.clone()), &[address], limits)
    }

    async fn accept(&self) -> Secure {
        self.acceptor.accept(accept(&self.listener).await).await.unwrap()
    }

    async fn accept_http2(&self) -> Connection<Secure, Bytes> {
        h2::server::handshake(self.accept().await).await.unwrap()
    }
}

type Asked = (Request<RecvStream>, SendResponse<Bytes>);

async fn asked(connection: &mut Connection<Secure, Bytes>) -> Asked {
    connection.accept().await.unwrap().unwrap()
}

fn answer((_, respond): &mut Asked, text: &'static str) {
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream.send_data(Bytes::from_static(text.as_bytes()), true).unwrap();
}

/// Lets a connection do what it has to, until it ends.
async fn finish(connection: &mut Connection<Secure, Bytes>) {
    while let Some(Ok(_)) = connection.accept().await {}
}

#[tokio::test]
async fn a_service_with_http2_gets_requests_by_it_at_once_on_one_connection() {
    let service = Service::new(&["h2", "http/1.1"]).await;
    let endpoint = service.endpoint(limits());
    let serve = async {
        let mut connection = service.accept_http2().await;
        let mut all = vec![asked(&mut connection).await, asked(&mut connection).await];
        all.push(asked(&mut connection).await);
        let head = head(&all[0].0);
        all.iter_mut().for_each(|one| answer(one, "ok"));
        (connection, head)
    };
    let client = async {
        let one = || post(&endpoint, Repeat::UnlessSent);
        let (one, two, three) = join!(one(), one(), one());
        for outcome in [one, two, three] {
            assert_eq!(outcome.result.unwrap().body, "ok");
        }
        drop(endpoint);
    };
    let serve = async {
        let (mut connection, head) = serve.await;
        finish(&mut connection).await;
        head
    };
    let ((), (uri, headers)) = join!(client, serve);
    assert_eq!(uri, "https://service.example/e/message?code=1");
    assert_eq!(
        (&headers["ce-id"], &headers["content-length"]),
        (&"7".parse().unwrap(), &"5".parse().unwrap())
    );
    assert!(!headers.contains_key("host"), "{headers:?}");
}

/// What is compared of a request.
fn head(request: &Request<RecvStream>) -> (String, HeaderMap) {
    assert_eq!(request.version(), Version::HTTP_2);
    (request.uri().to_string(), request.headers().clone())
}

#[tokio::test]
async fn a_service_without_http2_gets_requests_by_http1_over_tls() {
    for protocols in [&["http/1.1"][..], &[]] {
        let service = Service::new(protocols).await;
        let endpoint = service.endpoint(limits());
        let serve = async {
            let mut stream = service.accept().await;
            let text = heard(&mut stream).await;
            say(&mut stream, OK).await;
            heard(&mut stream).await;
            say(&mut stream, OK).await;
            text
        };
        let client = async {
            for _ in 0..2 {
                assert_eq!(post(&endpoint, Repeat::UnlessSent).await.result.unwrap().body, "ok");
            }
        };
        let (text, ()) = join!(serve, client);
        assert!(text.contains("host: service.example\r\n"), "{text}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_or_for_another_name_is_refused_before_anything_is_sent() {
    let service = Service::new(&["h2"]).await;
    let limits = Limits { delays: [PAST_THE_END; 3], ..limits() };
    let stranger = endpoint_of(
        &service.told.client(Tls::new(None).unwrap()),
        &["https://service.example/"],
        limits.clone(),
    );
    let other = service.endpoint_at("https://other.example/", limits);
    for endpoint in [stranger, other] {
        let serve = async { service.acceptor.accept(accept(&service.listener).await).await.map(drop) };
        let (outcome, served) = join!(post(&endpoint, Repeat::UnlessSent), serve);
        let failure = outcome.result.unwrap_err();
        assert_eq!((failure.kind(), failure.is_sent()), (Kind::Tls, false), "{failure}");
        assert!(served.is_err());
    }
}

#[tokio::test]
async fn what_a_service_says_it_has_not_looked_at_is_sent_again_and_what_it_broke_off_is_not() {
    let service = Service::new(&["h2"]).await;
    let endpoint = service.endpoint(limits());
    let serve = async {
        let mut connection = service.accept_http2().await;
        asked(&mut connection).await.1.send_reset(Reason::REFUSED_STREAM);
        let again = async {
            let mut connection = service.accept_http2().await;
            let mut request = asked(&mut connection).await;
            answer(&mut request, "ok");
            asked(&mut connection).await.1.send_reset(Reason::INTERNAL_ERROR);
            finish(&mut connection).await;
        };
        join!(again, finish(&mut connection));
    };
    let client = async {
        let outcome = post(&endpoint, Repeat::UnlessSent).await;
        assert_eq!(outcome.result.unwrap().body, "ok");
        let failure = post(&endpoint, Repeat::UnlessSent).await.result.unwrap_err();
        assert_eq!((failure.kind(), failure.is_sent()), (Kind::Broken, true), "{failure}");
        drop(endpoint);
    };
    join!(serve, client);
}

#[tokio::test]
async fn a_connection_that_goes_away_is_followed_by_another() {
    let service = Service::new(&["h2"]).await;
    let endpoint = service.endpoint(limits());
    let serve = async {
        for _ in 0..3 {
            let mut connection = service.accept_http2().await;
            let mut request = asked(&mut connection).await;
            answer(&mut request, "ok");
            connection.graceful_shutdown();
            finish(&mut connection).await;
        }
    };
    let client = async {
        for _ in 0..3 {
            let outcome = post(&endpoint, Repeat::UnlessSent).await;
            assert_eq!((outcome.result.unwrap().status, outcome.report.attempts), (200, 1));
        }
    };
    join!(serve, client);
}

#[tokio::test]
async fn answers_by_http2_have_the_same_bounds() {
    let service = Service::new(&["h2"]).await;
    let limits = Limits { answer_bytes_max: 100_000, attempt_max: NEVER, ..limits() };
    let endpoint = service.endpoint(limits);
    let serve = async {
        let mut connection = service.accept_http2().await;
        // Too long in fact.
        let (_request, mut respond) = asked(&mut connection).await;
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        stream.send_data(vec![b'x'; 1 << 20].into(), false).unwrap();
        // Too long as it says.
        let (_request, mut respond) = asked(&mut connection).await;
        let long = Response::builder().header("content-length", "100001").body(()).unwrap();
        let _stream = respond.send_response(long, false).unwrap();
        // Too many fields.
        let (_request, mut respond) = asked(&mut connection).await;
        let mut many = Response::new(());
        for _ in 0..101 {
            many.headers_mut().append("x", "y".parse().unwrap());
        }
        respond.send_response(many, true).unwrap();
        finish(&mut connection).await;
    };
    let client = async {
        for expected in [Kind::TooLong, Kind::TooLong, Kind::Malformed] {
            assert_eq!(post(&endpoint, Repeat::UnlessSent).await.result.unwrap_err().kind(), expected);
        }
        drop(endpoint);
    };
    join!(serve, client);
}

#[tokio::test]
async fn a_head_past_the_bounds_by_http2_is_a_failure() {
    let service = Service::new(&["h2"]).await;
    let endpoint = service.endpoint(limits());
    let serve = async {
        let mut connection = service.accept_http2().await;
        let (_request, mut respond) = asked(&mut connection).await;
        let long = Response::builder().header("x", "y".repeat(40_000)).body(()).unwrap();
        let _ = respond.send_response(long, true);
        finish(&mut connection).await;
    };
    let client = async {
        let failure = post(&endpoint, Repeat::UnlessSent).await.result.unwrap_err();
        assert!(failure.is_sent() && failure.kind() == Kind::Broken, "{failure}");
        drop(endpoint);
    };
    join!(serve, client);
}

#[tokio::test]
async fn silence_by_http2_ends_with_the_attempt_and_the_next_request_goes_elsewhere() {
    let service = Service::new(&["h2"]).await;
    let endpoint = service.endpoint(Limits { attempt_max: SOON * 10, delays: [PAST_THE_END; 3], ..limits() });
    let serve = async {
        let mut connection = service.accept_http2().await;
        let silent = asked(&mut connection).await;
        let again = async {
            let mut connection = service.accept_http2().await;
            let mut request = asked(&mut connection).await;
            answer(&mut request, "ok");
            finish(&mut connection).await;
        };
        join!(again, finish(&mut connection));
        drop(silent);
    };
    let client = async {
        let failure = post(&endpoint, Repeat::UnlessSent).await.result.unwrap_err();
        assert_eq!((failure.kind(), failure.is_sent()), (Kind::Timeout, true));
        assert_eq!(post(&endpoint, Repeat::UnlessSent).await.result.unwrap().body, "ok");
        drop(endpoint);
    };
    join!(serve, client);
}

#[tokio::test]
async fn a_document_is_fetched_over_tls_from_whom_an_authority_vouches_for() {
    let service = Service::new(&["http/1.1"]).await;
    let document = |tls: &Tls| {
        Document::new(&service.told.client(tls.clone()), "https://service.example/keys?code=marker").unwrap()
    };
    let (trusting, wary) = (document(&service.tls), document(&Tls::new(None).unwrap()));
    let answer = async {
        let mut stream = service.accept().await;
        assert!(heard(&mut stream).await.starts_with("GET /keys?code=marker HTTP/1.1\r\n"));
        say(&mut stream, OK).await;
    };
    let (read, ()) = join!(trusting.read(), answer);
    assert_eq!(read.unwrap(), "ok");
    let refuse = async { assert!(service.acceptor.accept(accept(&service.listener).await).await.is_err()) };
    let (read, ()) = join!(wary.read(), refuse);
    let error = read.unwrap_err();
    assert!(matches!(&error, DocumentError::Failed(_, failure) if failure.kind() == Kind::Tls), "{error}");
    assert!(!error.to_string().contains("marker"), "{error}");
}

#[tokio::test]
async fn a_document_is_fetched_by_http2_where_that_is_spoken() {
    let service = Service::new(&["h2"]).await;
    let document = Document::new(&service.told.client(service.tls.clone()), "https://service.example/keys");
    let answer = async {
        let mut connection = service.accept_http2().await;
        let (request, mut respond) = asked(&mut connection).await;
        assert_eq!((request.method().as_str(), request.uri().path()), ("GET", "/keys"));
        let mut body = respond.send_response(Response::new(()), false).unwrap();
        body.send_data(Bytes::from_static(b"{}"), true).unwrap();
        // Written until the other side has gone.
        while let Some(Ok(_)) = connection.accept().await {}
    };
    let read = async { document.unwrap().read().await.unwrap() };
    let (read, ()) = join!(read, answer);
    assert_eq!(read, "{}");
}
