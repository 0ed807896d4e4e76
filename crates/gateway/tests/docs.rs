//! The documentation names what exists: files, links, headings, tests and commands; and its first conversation works.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use rig::process::Process;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// The pages: those at the root, all below docs/, and those beside what they describe.
fn pages() -> Vec<PathBuf> {
    let beside = [
        "",
        "bench",
        "conformance",
        "conformance/webpubsub-kit",
        "deploy",
        "examples",
        "kernels",
        "crates/proto/fuzz",
        "crates/webpubsub/fuzz",
    ];
    let mut folders: Vec<PathBuf> = beside.map(|at| root().join(at)).into();
    let mut below = vec![root().join("docs")];
    while let Some(folder) = below.pop() {
        below.extend(entries(&folder).filter(|path| path.is_dir()));
        folders.push(folder);
    }
    let pages = folders.iter().flat_map(|folder| entries(folder));
    let pages: Vec<_> = pages.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    assert!(pages.len() > 30, "{pages:?}");
    pages
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path())
}

fn read(page: &Path) -> String {
    std::fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// What stands in backticks, outside of blocks.
fn quoted(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    prose
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|code| code.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// The command lines in blocks and in backticks, without prompt and comment.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```").skip(1).step_by(2).flat_map(str::lines).map(str::to_owned);
    let lines = blocks.chain(quoted(text));
    lines
        .map(|line| line.trim_start_matches("$ ").split(" #").next().unwrap_or_default().trim().to_owned())
        .collect()
}

/// Folders of the repository: what begins with one of them is a path in it.
const FOLDERS: [&str; 10] = [
    ".ci/",
    ".github/",
    "bench/",
    "conformance/",
    "crates/",
    "deploy/",
    "docs/",
    "examples/",
    "kernels/",
    "fuzz/",
];

#[test]
fn every_file_that_is_named_exists() {
    let mut missing = BTreeSet::new();
    let mut named = 0;
    for page in pages() {
        let text = read(&page);
        for code in quoted(&text).into_iter().chain(commands(&text)) {
            let path = code.split(' ').next().unwrap_or_default();
            let is_pattern = path.contains(['*', '<', '{', '$']) || path.contains("FILE");
            if !FOLDERS.iter().any(|folder| path.starts_with(folder)) || is_pattern {
                continue;
            }
            named += 1;
            let here = page.parent().map(|folder| folder.join(path));
            if !root().join(path).exists() && !here.is_some_and(|here| here.exists()) {
                missing.insert(format!("{}: {path}", page.strip_prefix(root()).expect("in it").display()));
            }
        }
    }
    assert!(named > 100, "{named} paths were found");
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A heading's name in links, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = read(&page);
        let prose: String = text.split("```").step_by(2).collect();
        for link in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().expect("a folder").join(path),
            };
            let found = target.exists()
                && (heading.is_empty()
                    || read(&target).lines().any(|line| {
                        line.starts_with('#') && anchor(line.trim_start_matches('#')) == heading
                    }));
            if !found {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The word behind a flag of a command.
fn after<'a>(words: &[&'a str], flags: &[&str]) -> Vec<&'a str> {
    words.windows(2).filter(|pair| flags.contains(&pair[0])).map(|pair| pair[1]).collect()
}

#[test]
fn every_package_and_test_that_a_command_names_exists() {
    let mut tests = 0;
    for page in pages() {
        for command in commands(&read(&page)) {
            let Some(at) = command.find("cargo ") else { continue };
            let words: Vec<&str> =
                command[at..].split_whitespace().take_while(|word| *word != "--").collect();
            let packages = after(&words, &["-p", "--package"]);
            let folders: Vec<PathBuf> = packages.iter().map(|package| folder(package)).collect();
            for filter in after(&words, &["--lib"]) {
                let word = filter.rsplit("::").next().unwrap_or(filter);
                let is_there = folders.iter().any(|folder| has(&folder.join("src"), word));
                assert!(is_there, "{}: {command}: no module or test is called {filter}", page.display());
            }
            for name in after(&words, &["--test", "--example"]) {
                let is_there = folders.iter().any(|folder| {
                    ["tests", "examples"].iter().any(|kind| {
                        folder.join(kind).join(name).join("main.rs").exists()
                            || folder.join(kind).join(name).with_extension("rs").exists()
                    })
                });
                assert!(is_there, "{}: {command}: {name}", page.display());
                tests += 1;
            }
        }
    }
    assert!(tests > 40, "{tests} tests are named");
}

/// Whether a module or a function in or below `folder` has a name that begins with `word`.
fn has(folder: &Path, word: &str) -> bool {
    entries(folder).any(|path| {
        let is_module = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(word));
        is_module
            || if path.is_dir() { has(&path, word) } else { read(&path).contains(&format!("fn {word}")) }
    })
}

#[test]
fn the_first_pages_are_short() {
    for name in ["README.md", "ARCHITECTURE.md"] {
        assert!(read(&root().join(name)).lines().count() < 150, "{name} is to have less than 150 lines");
    }
}

/// Where a package of the workspace lies.
fn folder(package: &str) -> PathBuf {
    let known = [
        ("holdfast", "crates/gateway"),
        ("holdfast-ring", "crates/ring"),
        ("holdfast-proto", "crates/proto"),
        ("holdfast-hub", "crates/hub"),
        ("holdfast-webpubsub", "crates/webpubsub"),
        ("holdfast-upstream", "crates/upstream"),
        ("holdfast-cluster", "crates/cluster"),
        ("holdfast-nats", "crates/nats"),
        ("holdfast-tls", "crates/tls"),
        ("holdfast-load", "bench/load"),
        ("holdfast-floor", "bench/floor"),
        ("holdfast-counts", "bench/counts"),
        ("holdfast-bench", "bench/suite"),
    ];
    let found = known.iter().find(|(name, _)| *name == package);
    root().join(found.unwrap_or_else(|| panic!("{package} is no package")).1)
}

#[test]
fn the_newest_release_of_the_changelog_is_this_version() {
    let text = read(&root().join("CHANGELOG.md"));
    let mut releases =
        text.lines().filter_map(|line| line.strip_prefix("## [")).filter(|line| !line.starts_with('U'));
    let newest = releases.next().expect("a release");
    assert!(newest.starts_with(concat!(env!("CARGO_PKG_VERSION"), "] - 20")), "{newest}");
}

#[test]
fn the_first_conversation_goes_as_readme_says() {
    let process = Process::start(&["--driver", "epoll"]);
    let port = process.websocket.port().to_string();
    let said = Command::new(root().join("docs/say"))
        .args(["hello", "123"])
        .env("PORT", port)
        .output()
        .expect("bash");
    let text = String::from_utf8(said.stdout).expect("text");
    assert_eq!(text, "> hello\n< hello\n> 123\n< 123\n", "{}", String::from_utf8_lossy(&said.stderr));
    assert!(read(&root().join("README.md")).contains(&format!("$ docs/say hello 123\n{text}")));
}

#[test]
fn the_service_of_the_first_page_is_the_example() {
    let example = read(&root().join("examples/service.py"));
    let (_, code) = example.split_once("\"\"\"\n\n").expect("a program behind its description");
    // Python has two empty lines where a page has room for one.
    let code = code.replace("\n\n\n", "\n\n");
    assert!(read(&root().join("README.md")).contains(&format!("```python\n{code}```\n")));
}
