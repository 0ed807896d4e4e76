//! Bodies of fuzz targets.
//!
//! [`filter`], [`json_message`], [`token`], [`key_set`], [`provider_token`], [`rest_path`] and [`upstream_answer`] take
//! any bytes and panic when a promise of this crate is broken: whatever comes from outside is read or refused, what was
//! read is within its bounds, and nobody is let in without a signature. The shells around them are in `fuzz/`.

mod answer;
mod filter;
mod identity;
mod input;
mod message;
mod path;
mod token;

pub use answer::upstream_answer;
pub use filter::filter;
pub use identity::{key_set, provider_token};
pub use message::json_message;
pub use path::rest_path;
pub use token::token;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TARGETS: [fn(&[u8]); 7] =
        [filter, json_message, token, key_set, provider_token, rest_path, upstream_answer];

    const PIECES: [&str; 34] = [
        "userId eq 'a'",
        " and ",
        "not (",
        "'",
        "groups",
        ")",
        "{",
        "}",
        "\"type\":\"event\"",
        "\"ackId\":1",
        ",",
        ":",
        "\"data\":",
        "POST /api/hubs/h/",
        ":send",
        "?filter=",
        "%2",
        "/",
        "&",
        "excluded=",
        "eyJhbGciOiJIUzI1NiJ9",
        "eyJhbGciOiJFUzI1NiJ9",
        "{\"alg\":\"ES256\"}",
        "{\"keys\":[",
        "\"kty\":\"RSA\"",
        ".",
        "{\"userId\":\"a\"}",
        "application/json",
        "null",
        "1e9",
        "\"group\":\"g\"",
        "ZXk=",
        " ",
        "\u{fc}",
    ];

    proptest! {
        #[test]
        fn any_bytes_keep_the_promises(data in proptest::collection::vec(any::<u8>(), 0..120)) {
            TARGETS.iter().for_each(|target| target(&data));
        }

        #[test]
        fn pieces_of_what_is_meant_keep_the_promises(
            pieces in proptest::collection::vec(
                prop_oneof![
                    8 => prop::sample::select(&PIECES[..]).prop_map(|piece| piece.as_bytes().to_vec()),
                    1 => any::<u8>().prop_map(|byte| vec![byte]),
                    1 => Just(vec![0xFF]),
                ],
                0..16,
            ),
        ) {
            let data = pieces.concat();
            TARGETS.iter().for_each(|target| target(&data));
        }
    }
}
