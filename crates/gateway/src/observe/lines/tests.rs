use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::pipe::fcntl_setpipe_size;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

impl Line for String {
    fn render(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.as_bytes());
        to.push(b'\n');
    }
}

/// What was reported.
#[derive(Clone, Default)]
struct Reported(Arc<Mutex<(u64, Vec<String>)>>);

impl Reported {
    fn lost(&self) -> u64 {
        self.0.lock().expect("no panic").0
    }

    fn said(&self) -> Vec<String> {
        self.0.lock().expect("no panic").1.clone()
    }

    fn say(&self, what: String) {
        self.0.lock().expect("no panic").1.push(what);
    }
}

impl Report for Reported {
    fn lose(&self, lines: u64) {
        self.0.lock().expect("no panic").0 += lines;
    }

    fn lost(&self) -> u64 {
        self.lost()
    }

    fn fails(&self, error: &io::Error) {
        self.say(format!("fails: {:?}", error.kind()));
    }

    fn goes_on(&self, lost: u64) {
        self.say(format!("goes on, {lost} lost"));
    }

    fn reopened(&self, outcome: io::Result<()>) {
        self.say(format!("reopened: {}", outcome.is_ok()));
    }
}

fn start(path: &Path) -> (Writer<String>, Reported) {
    let reported = Reported::default();
    let out = Out::open(Target::File(path.to_owned())).expect("it opens");
    (Writer::start("lines", out, 4096, reported.clone()).expect("a thread"), reported)
}

#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::yield_now();
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn fifo(folder: &Path) -> PathBuf {
    let path = folder.join("fifo");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("a FIFO");
    path
}

#[test]
fn what_does_not_fit_is_refused_without_waiting() {
    let (sender, jobs) = sync_channel(2);
    let sink = Sink(sender);
    assert_eq!([0, 1, 2].map(|line| sink.write(line)), [true, true, false]);
    assert!(jobs.recv().is_ok() && sink.write(3));
    drop(jobs);
    assert!(!sink.write(4), "nobody writes any more");
}

#[test]
fn more_than_is_written_at_once_comes_whole_and_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lines");
    let (writer, reported) = start(&path);
    let lines: Vec<String> = (0..2000).map(|number| format!("{number} {}", "x".repeat(100))).collect();
    assert!(lines.iter().all(|line| writer.sink().write(line.clone())));
    assert!(writer.finish());
    assert!(text(&path).len() > BATCH_BYTES && text(&path).lines().eq(&lines));
    assert_eq!((reported.lost(), reported.said()), (0, vec![]));
    assert!(writer.finish(), "there is nothing more to wait for");
    assert!(!writer.sink().write("late".to_owned()));
}

#[test]
fn a_full_disk_is_reported_once_and_every_line_counted() {
    let (writer, reported) = start(Path::new("/dev/full"));
    for count in 1..=3 {
        assert!(writer.sink().write("lost".to_owned()));
        wait_until("it is counted", || reported.lost() == count);
    }
    assert_eq!(reported.said(), ["fails: StorageFull"]);
    assert!(writer.finish());
}

#[test]
fn a_fifo_may_lack_a_reader_at_first_and_in_between() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = fifo(folder.path());
    let (writer, reported) = start(&path);
    for round in 1..=2 {
        let before = reported.lost();
        assert!(writer.sink().write("nobody hears this".to_owned()));
        wait_until("it is counted", || reported.lost() == before + 1);
        // Opening it does not wait: it is for reading and writing.
        let reader = OpenOptions::new().read(true).write(true).open(&path).expect("a reader");
        assert!(writer.sink().write(format!("round {round}")));
        let mut line = String::new();
        BufReader::new(reader).read_line(&mut line).expect("a line");
        assert_eq!(line, format!("round {round}\n"));
    }
    wait_until("it is said", || reported.said().last().is_some_and(|last| last.starts_with("goes on")));
    assert!(reported.said()[0].starts_with("fails"), "{:?}", reported.said());
}

#[test]
fn a_reader_that_has_stopped_is_not_waited_for_at_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = fifo(folder.path());
    let reader = OpenOptions::new().read(true).write(true).open(&path).expect("a reader");
    fcntl_setpipe_size(&reader, 4096).expect("a small pipe");
    let (writer, reported) = start(&path);
    assert!(writer.sink().write("x".repeat(10_000)));
    assert!(!writer.finish(), "it is not all written");
    wait_until("it is given up and counted", || reported.lost() == 1);
}

#[test]
fn a_line_that_was_begun_goes_whole_into_the_file_that_is_opened_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = fifo(folder.path());
    let reader = OpenOptions::new().read(true).write(true).open(&path).expect("a reader");
    fcntl_setpipe_size(&reader, 4096).expect("a small pipe");
    let (writer, reported) = start(&path);
    let long = "x".repeat(10_000);
    assert!(writer.sink().write(long.clone()) && writer.sink().write("next".to_owned()));
    fs::rename(&path, folder.path().join("moved")).expect("it is moved");
    writer.reopen().order();
    wait_until("it is all there", || text(&path).ends_with("next\n"));
    assert_eq!(text(&path), format!("{long}\nnext\n"));
    assert_eq!((reported.lost(), reported.said()), (0, vec!["reopened: true".to_owned()]));
    drop(reader);
}

#[test]
fn a_file_is_opened_anew_though_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, moved) = (folder.path().join("lines"), folder.path().join("moved"));
    let (writer, _) = start(&path);
    fs::rename(&path, &moved).expect("it is moved");
    writer.reopen().order();
    wait_until("the new file is there", || path.exists());
    assert!(writer.sink().write("new".to_owned()) && writer.finish());
    assert_eq!((text(&moved), text(&path)), (String::new(), "new\n".to_owned()));
}

#[test]
fn a_file_that_cannot_be_opened_anew_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, moved) = (folder.path().join("in/lines"), folder.path().join("moved"));
    fs::create_dir(folder.path().join("in")).expect("a folder");
    let (writer, reported) = start(&path);
    fs::rename(folder.path().join("in"), &moved).expect("it is moved");
    writer.reopen().order();
    wait_until("it is said", || reported.said() == ["reopened: false"]);
    assert!(writer.sink().write("old".to_owned()) && writer.finish());
    assert_eq!(text(&moved.join("lines")), "old\n");
}

#[test]
fn streams_are_written_in_pieces_of_whole_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = fifo(folder.path());
    let reader = OpenOptions::new().read(true).write(true).open(&path).expect("a reader");
    let mut out = Out::open(Target::File(path)).expect("it opens");
    let lines: Vec<u8> = (0..100).flat_map(|_| [[b'x'; 99].as_slice(), b"\n"].concat()).collect();
    let (len, stop) = out.write(&lines, &Orders::default());
    assert!(len == lines.len() && stop.is_none());
    let mut read = vec![0; lines.len()];
    assert_eq!(rustix::io::read(&reader, &mut read), Ok(lines.len()));
    assert_eq!(read, lines);
    // So that a pipe takes each whole.
    assert_eq!(out::first_lines(&lines).len(), 4000);
    assert_eq!(out::first_lines(&[b'x'; 5000]).len(), 5000, "one line is longer");
}

#[test]
fn what_is_no_fifo_must_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    for path in [socket.as_path(), folder.path(), Path::new("/nonexistent/lines")] {
        assert!(Out::open(Target::File(path.to_owned())).is_err(), "{}", path.display());
    }
}

#[test]
fn the_last_words_wait_for_no_reader() {
    let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
    fcntl_setpipe_size(&writer, 4096).expect("a small pipe");
    write_within(&writer, &[b'x'; 10_000], Duration::from_millis(10));
    let mut page = [0; 10_000];
    assert_eq!(rustix::io::read(&reader, &mut page), Ok(4096));
    drop(reader);
    write_within(&writer, b"nobody", Duration::from_secs(3600));
    write_within(File::open("/dev/null").expect("it is there"), b"not writable", Duration::from_secs(3600));
}
