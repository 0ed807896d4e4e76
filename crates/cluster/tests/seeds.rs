//! The seeds of the fuzz targets: replayed here, and made by the test that is ignored.

use std::fs;
use std::path::PathBuf;

use holdfast_cluster::envelope::{
    Answer, DataKind, Envelope, Excluded, Groups, Heartbeat, Hubs, Member, Members, Operation, Publication,
    Said, Sender, Target,
};
use holdfast_cluster::fuzz::{envelope, subject};
use holdfast_cluster::{ConnectionName, NodeId, QuestionId};

type Run = fn(&[u8]);

const TARGETS: [(&str, Run); 2] = [("envelope", envelope), ("subject", subject)];

const SUBJECTS: [(&str, &[u8]); 4] =
    [("hub", b"h.news=2Ex.all"), ("slot", b"h.chat.0a"), ("answers", b"n.0000000000ab.r"), ("control", b"c")];

fn envelopes() -> Vec<(&'static str, Vec<u8>)> {
    let connection = ConnectionName::new(7 << 80 | 9 << 16);
    let (excluded, groups) = (Excluded::bytes([connection]), Groups::bytes(["a", "b"]));
    let members = Members::bytes([Member { connection, user: Some("ann") }]);
    let publication = Publication {
        to: Target::Group("g"),
        excluded: Excluded::of(&excluded).expect("a list"),
        filter: Some("userId eq 'a'"),
        sender: Sender::Client(Some("ann")),
        kind: DataKind::Json,
        payload: b"{}",
    };
    let heartbeat = Heartbeat {
        start: 3,
        release: "0.2.0",
        connections: 9,
        published: 0,
        is_draining: true,
        hubs: Hubs::of(&[0; 8]),
    };
    let answer = Answer { said: Said::Count(1), place: Some("1-2"), payload: &members };
    let groups = Groups::of(&groups).expect("a list");
    let operations = [
        ("publish", Operation::Publish(publication)),
        ("close", Operation::Close { of: Target::All, excluded: publication.excluded, reason: Some("bye") }),
        ("join", Operation::Join { who: Target::Connection(connection), group: "g" }),
        ("groups", Operation::ChangeGroups { join: true, groups, filter: Some("true") }),
        ("list", Operation::List { group: "g", size: 200, place: Some("1") }),
        ("heartbeat", Operation::Heartbeat(heartbeat)),
        ("answer", Operation::Answer(answer)),
    ];
    let written = operations.into_iter().map(|(name, operation)| {
        let (node, question) = (NodeId::new(5), QuestionId::new(4));
        let mut message = Vec::new();
        let envelope = Envelope { node, epoch: 1, number: 2, question, hub: "chat", operation };
        envelope.write(&mut message).expect("it is short");
        (name, message)
    });
    written.collect()
}

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target)
}

#[test]
fn the_seeds_keep_the_promises() {
    for (name, target) in TARGETS {
        let files: Vec<_> =
            fs::read_dir(folder(name)).expect("seeds").map(|entry| entry.expect("a seed").path()).collect();
        assert!(files.len() >= 4, "{name}: seeds are missing; the ignored test makes them");
        for file in files {
            target(&fs::read(&file).expect("a seed"));
        }
    }
}

#[test]
#[ignore = "writes into the source tree"]
fn make_the_seeds() {
    let subjects = SUBJECTS.map(|(name, bytes)| (name, bytes.to_vec()));
    for (target, seeds) in [("envelope", envelopes()), ("subject", subjects.to_vec())] {
        fs::create_dir_all(folder(target)).expect("a folder");
        for (seed, bytes) in seeds {
            fs::write(folder(target).join(seed), bytes).expect("a seed");
        }
    }
}
