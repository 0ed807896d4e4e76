//! The trace of a whole connection in RFC 8448, section 3: what both ends seal and open is what is printed there.

use holdfast_tls::{
    ALERT_LEN_MAX, Alert, Direction, End, Opened, Role, State, Suite, alert, open, seal_copy,
};

/// "derive secret 'tls13 c ap traffic'".
const CLIENT: &str = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";

/// "derive secret 'tls13 s ap traffic'".
const SERVER: &str = "a11af9f05531f856ad47116b45a9503282\
                      04b4f44bfb6b3a4b4f1f3fcb631643";

/// "{server} send handshake record", with a NewSessionTicket.
const TICKET: &str = "17030300de3a6b8f90414a97d6959c3487680de5134a2b240e6cffac116e95d41d6af8f6b580dcf3d11d63c758\
                      db289a015940252f55713e061dc13e078891a38efbcf5753ad8ef170ad3c7353d16d9da773b9ca7f2b9fa1b6c0\
                      d4a3d03f75e09c30ba1e62972ac46f75f7b981be63439b2999ce13064615139891d5e4c5b406f16e3fc181a77c\
                      a475840025db2f0a77f81b5ab05b94c01346755f69232c86519d86cbeeac87aac347d143f9605d64f650db4d02\
                      3e70e952ca49fe5137121c74bc2697687e248746d6df353005f3bce18696129c8153556b3b6c6779b37bf15985\
                      684f";

/// "{client} send application_data record".
const CLIENT_DATA: &str = "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd5\
                           4a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4";

/// "{server} send application_data record".
const SERVER_DATA: &str = "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc60\
                           2dcb501a59a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d";

/// "{client} send alert record" and "{server} send alert record".
const CLIENT_ALERT: &str = "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3";
const SERVER_ALERT: &str = "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9";

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("a byte")).collect()
}

/// The payload of both ends.
fn data() -> Vec<u8> {
    (0..50).collect()
}

fn state(role: Role, sent: u64) -> State {
    let (client, server) = (bytes(CLIENT), bytes(SERVER));
    let (client, server) =
        (Direction { secret: &client, number: 0 }, Direction { secret: &server, number: sent });
    let (rx, tx) = if role == Role::Server { (&client, &server) } else { (&server, &client) };
    State::new(Suite::Aes128V13, role, rx, tx).expect("a state")
}

#[test]
fn a_server_opens_and_seals_what_is_printed() {
    // The ticket was the first record.
    let mut state = state(Role::Server, 1);
    let mut session = state.session().expect("a session");
    let mut buffer = [bytes(CLIENT_DATA), bytes(CLIENT_ALERT)].concat();
    let len = buffer.len();
    let opened = open(&mut session, &mut buffer, 0..len);
    let end = Some(End::Closed);
    assert_eq!(opened, Opened { plain: 5..55, rest: len..len, records: 2, end, ..Opened::default() });
    assert_eq!(buffer[5..55], data());
    let mut out = vec![0; 200];
    let sealed = seal_copy(&mut session, &data(), &mut out).expect("sealed");
    assert_eq!(out[..sealed], bytes(SERVER_DATA));
    let mut out = [0; ALERT_LEN_MAX];
    let sealed = alert(&mut session, Alert::CloseNotify, &mut out);
    assert_eq!(out[..sealed], bytes(SERVER_ALERT));
}

#[test]
fn a_client_skips_the_ticket_and_opens_and_seals_what_is_printed() {
    let mut state = state(Role::Client, 0);
    let mut session = state.session().expect("a session");
    let mut out = vec![0; 200];
    let sealed = seal_copy(&mut session, &data(), &mut out).expect("sealed");
    assert_eq!(out[..sealed], bytes(CLIENT_DATA));
    let mut buffer = [bytes(TICKET), bytes(SERVER_DATA), bytes(SERVER_ALERT)].concat();
    let len = buffer.len();
    let opened = open(&mut session, &mut buffer, 0..len);
    assert_eq!((opened.records, opened.end), (3, Some(End::Closed)));
    assert_eq!(buffer[opened.plain], data());
    let sealed = alert(&mut session, Alert::CloseNotify, &mut out);
    assert_eq!(out[..sealed], bytes(CLIENT_ALERT));
}

#[test]
fn a_server_refuses_a_ticket() {
    // The same bytes as the peer of a server would seal them.
    let (client, server) = (bytes(CLIENT), bytes(SERVER));
    let (rx, tx) = (Direction { secret: &server, number: 0 }, Direction { secret: &client, number: 0 });
    let mut state = State::new(Suite::Aes128V13, Role::Server, &rx, &tx).expect("a state");
    let mut buffer = bytes(TICKET);
    let len = buffer.len();
    let opened = open(&mut state.session().expect("a session"), &mut buffer, 0..len);
    assert_eq!(opened.end, Some(End::Fault(Alert::UnexpectedMessage)));
}
