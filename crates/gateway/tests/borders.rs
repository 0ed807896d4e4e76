//! Borders: which file may import which. No circles, no layer that imports one above it, and crates that know no more
//! of each other than ARCHITECTURE.md says.
//!
//! Read from the sources: `use` and paths as they are written. What is compiled for tests only does not count, nor does
//! a re-export that its file makes no use of: who imports through it imports from the file that defines the item.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The gateway's layers, from the ground up: each may import those before it. A file belongs to the longest name that
/// its path begins with.
const LAYERS: &[&str] = &[
    "settings",
    "limits",
    "observe",
    "id",
    "admission",
    "publish",
    "quota",
    "handle",
    "shard::context",
    "application",
    "echo",
    "shard",
    "start",
    "services",
    "control",
    "commands",
];

/// Crates without circles.
const CRATES: &[&str] = &[
    "crates/cluster",
    "crates/gateway",
    "crates/hub",
    "crates/nats",
    "crates/proto",
    "crates/tls",
    "crates/upstream",
    "crates/webpubsub",
    "bench/load",
    "bench/suite",
    "bench/counts",
    "bench/floor",
];

/// Each crate, and those of the project that it may name.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("crates/ring", &[]),
    ("crates/proto", &[]),
    ("crates/hub", &[]),
    ("crates/webpubsub", &[]),
    ("crates/upstream", &[]),
    ("crates/cluster", &[]),
    ("crates/nats", &["holdfast_cluster"]),
    ("crates/tls", &[]),
    (
        "crates/gateway",
        &[
            "holdfast_ring",
            "holdfast_proto",
            "holdfast_hub",
            "holdfast_webpubsub",
            "holdfast_upstream",
            "holdfast_cluster",
            "holdfast_nats",
        ],
    ),
];

/// The only crate with `unsafe`.
const UNSAFE: &str = "crates/ring";

/// The text of each source file, by the path of its module; that of the crate's root is empty.
type Sources = BTreeMap<String, String>;

/// The files that each file imports from.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_two_files_import_each_other_directly_or_through_others() {
    for name in CRATES {
        let circles = circles(&graph(&sources(name)));
        let lines: Vec<_> = circles.iter().map(|circle| circle.join(" -> ")).collect();
        assert!(lines.is_empty(), "{name} has {} circles:\n{}", lines.len(), lines.join("\n"));
    }
}

#[test]
fn no_layer_imports_one_above_it() {
    let graph = graph(&sources("crates/gateway"));
    assert!(graph["echo"].contains("application") && graph["echo"].contains("shard::context"), "{graph:?}");
    let upward = upward(&graph, LAYERS);
    assert!(upward.is_empty(), "{}", upward.join("\n"));
}

#[test]
fn crates_name_only_those_they_may_and_one_has_all_the_unsafe_code() {
    let name_of = |folder: &str| format!("holdfast_{}", folder.trim_start_matches("crates/"));
    let all: Vec<_> =
        MAY_NAME.iter().map(|(folder, _)| name_of(folder).replace("holdfast_gateway", "holdfast")).collect();
    for (name, may) in MAY_NAME {
        for (file, text) in sources(name) {
            let words: BTreeSet<_> = tokens(&text).into_iter().collect();
            for other in &all {
                // The program is a crate of its own, above its library.
                let is_own = may.contains(&other.as_str()) || file == "main";
                assert!(is_own || !words.contains(other.as_str()), "{name}, {file}: {other}");
            }
            assert!(*name == UNSAFE || !words.contains("unsafe"), "{name}, {file}: unsafe");
        }
    }
}

#[test]
fn imports_come_in_one_order() {
    for name in CRATES {
        let sources = sources(name);
        for (file, text) in &sources {
            let found = out_of_order(file, text, &sources);
            assert!(
                found.is_none(),
                "{name}, {file}: {found:?} comes too late: std, then other crates, then own"
            );
        }
    }
}

/// The first import of a file that belongs before the one above it. Re-exports stand where they like.
fn out_of_order<'s>(file: &str, text: &'s str, sources: &Sources) -> Option<&'s str> {
    let rank = |import: &str| {
        let first = import.split([':', ';', ' ']).next().unwrap_or_default();
        // An enum of the file whose variants are imported is its own, too.
        let is_own = matches!(first, "crate" | "super" | "self") || first.starts_with(char::is_uppercase);
        match first {
            _ if is_own || sources.contains_key(&join(file, first)) => 2,
            "std" | "core" => 0,
            _ => 1,
        }
    };
    let imports: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("use ")).collect();
    imports.windows(2).find(|pair| rank(pair[0]) > rank(pair[1])).map(|pair| pair[1])
}

/// The sources of a crate.
fn sources(name: &str) -> Sources {
    fn read(folder: &Path, module: &str, into: &mut Sources) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() {
                read(&path, &join(module, &stem), into);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let is_root = module.is_empty() && stem == "main" && !folder.join("lib.rs").exists();
                let is_folders = is_root || stem == "mod" || stem == "lib";
                let module = if is_folders { module.to_owned() } else { join(module, &stem) };
                into.insert(module, fs::read_to_string(&path).expect("text"));
            }
        }
    }
    let mut found = Sources::new();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(name).join("src");
    read(&root, "", &mut found);
    found
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

/// Words, `::` and signs of a source, without its comments and texts.
fn tokens(source: &str) -> Vec<&str> {
    let is_word = |char: char| char.is_alphanumeric() || char == '_';
    let (mut found, mut rest) = (Vec::new(), source);
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
        let hashes = rest[word..].chars().take_while(|char| *char == '#').count();
        let is_raw = matches!(&rest[..word], "r" | "br") && rest[word + hashes..].starts_with('"');
        let behind =
            |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
        let len = match first {
            _ if rest.starts_with("//") => behind(0, "\n"),
            _ if rest.starts_with("/*") => behind(0, "*/"),
            _ if is_raw => behind(word + hashes + 1, &format!("\"{}", "#".repeat(hashes))),
            '"' => {
                let mut escaped = false;
                let is_end = |char| {
                    let is_end = char == '"' && !escaped;
                    escaped = char == '\\' && !escaped;
                    is_end
                };
                rest[1..].find(is_end).map_or(rest.len(), |at| at + 2)
            }
            '\'' if rest[1..].starts_with('\\') => behind(3, "'"),
            // Else it is a lifetime.
            '\'' if rest.chars().nth(2) == Some('\'') => behind(1, "'").max(3),
            _ if word > 0 => word,
            ':' if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        let is_token = word > 0 && !is_raw || !(first.is_whitespace() || "/\"'".contains(first) && len > 1);
        if is_token {
            found.push(&rest[..len]);
        }
        rest = &rest[len..];
    }
    found
}

/// What a file says about others.
#[derive(Debug, Default)]
struct File<'s> {
    imports: Vec<Import<'s>>,
    /// All but its imports and its tests.
    body: Vec<&'s str>,
    /// Its modules that are compiled for tests only.
    tests: Vec<&'s str>,
}

#[derive(Debug)]
struct Import<'s> {
    name: &'s str,
    path: Vec<&'s str>,
    is_public: bool,
}

impl<'s> File<'s> {
    fn read(source: &'s str) -> Self {
        const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
        let (tokens, mut file, mut at) = (tokens(source), Self::default(), 0);
        while at < tokens.len() {
            if tokens[at..].starts_with(&TEST) {
                at += TEST.len();
                if let ["mod", name, ";", ..] = tokens[at..] {
                    file.tests.push(name);
                }
                at = end_of_item(&tokens, at);
            } else if tokens[at] == "use" && tokens.get(at + 1) != Some(&"<") {
                let is_public = at > 0 && matches!(tokens[at - 1], "pub" | ")");
                at += 1;
                file.read_tree(&tokens, &mut at, &[], is_public);
            } else {
                file.body.push(tokens[at]);
                at += 1;
            }
        }
        file
    }

    /// A tree of imports: a path, or a beginning and a list of trees.
    fn read_tree(&mut self, tokens: &[&'s str], at: &mut usize, start: &[&'s str], is_public: bool) {
        let (mut path, mut alias) = (start.to_vec(), None);
        loop {
            match tokens[*at] {
                "{" => {
                    while tokens[*at] != "}" {
                        *at += 1;
                        if tokens[*at] != "}" {
                            self.read_tree(tokens, at, &path, is_public);
                        }
                    }
                    *at += 1;
                    return;
                }
                "," | "}" | ";" => break,
                "::" => {}
                "as" => {
                    *at += 1;
                    alias = Some(tokens[*at]);
                }
                "self" if !path.is_empty() => {}
                word => path.push(word),
            }
            *at += 1;
        }
        let name = alias.or(path.last().copied()).expect("a name");
        self.imports.push(Import { name, path, is_public });
    }

    /// Whether this name is used outside of imports, and not for a method or a field.
    fn uses(&self, name: &str) -> bool {
        (0..self.body.len()).any(|at| self.body[at] == name && (at == 0 || self.body[at - 1] != "."))
    }

    /// Paths outside of imports.
    fn paths(&self) -> impl Iterator<Item = Vec<&'s str>> {
        let is_start = |at: usize| self.body[at] != "::" && (at == 0 || self.body[at - 1] != "::");
        (0..self.body.len()).filter(move |at| is_start(*at)).filter_map(|at| {
            let steps = self.body[at + 1..].chunks(2).take_while(|step| step[0] == "::" && step.len() == 2);
            let path: Vec<_> = [self.body[at]].into_iter().chain(steps.map(|step| step[1])).collect();
            (path.len() > 1).then_some(path)
        })
    }
}

/// Behind an item's block, or its semicolon.
fn end_of_item(tokens: &[&str], start: usize) -> usize {
    let mut depth = 0;
    let is_end = |token: &&str| {
        depth += i32::from(*token == "{") - i32::from(*token == "}");
        depth == 0 && matches!(*token, "}" | ";")
    };
    tokens[start..].iter().position(is_end).map_or(tokens.len(), |at| start + at + 1)
}

/// Who imports from whom.
fn graph(sources: &Sources) -> Graph {
    let mut files: BTreeMap<&str, File<'_>> =
        sources.iter().map(|(module, text)| (module.as_str(), File::read(text))).collect();
    let tests: Vec<String> =
        files.iter().flat_map(|(module, file)| file.tests.iter().map(|name| join(module, name))).collect();
    files.retain(|module, _| !tests.iter().any(|test| is_within(module, test)));
    let imports = |(module, file): (&&str, &File<'_>)| {
        let is_used = |import: &&Import<'_>| !import.is_public || file.uses(import.name);
        let paths = file.imports.iter().filter(is_used).map(|import| import.path.clone()).chain(file.paths());
        let found = paths.filter_map(|path| definer(&files, module, &path, 0));
        ((*module).to_owned(), found.filter(|it| it != module).collect())
    };
    files.iter().map(imports).collect()
}

fn is_within(module: &str, folder: &str) -> bool {
    module == folder || module.strip_prefix(folder).is_some_and(|rest| rest.starts_with("::"))
}

/// The file that defines what `path` names in `module`; nothing where that is a module, or is of another crate.
fn definer(files: &BTreeMap<&str, File<'_>>, module: &str, path: &[&str], depth: u32) -> Option<String> {
    let (mut at, mut rest) = (module.to_owned(), path);
    let mut is_relative = true;
    while let [first, others @ ..] = rest {
        match *first {
            "crate" => at.clear(),
            "super" => at.truncate(at.rfind("::").unwrap_or(0)),
            "self" => {}
            "*" => return Some(at),
            name if files.contains_key(join(&at, name).as_str()) => at = join(&at, name),
            name => {
                let file = files.get(at.as_str())?;
                // A module that lies in another crate's folder.
                if file.body.windows(2).any(|pair| pair == ["mod", name]) {
                    return None;
                }
                let import = file.imports.iter().find(|import| import.name == name);
                return match import.filter(|_| depth < 9) {
                    Some(import) => {
                        let path = [&import.path, others].concat();
                        definer(files, &at, &path, depth + 1)
                    }
                    // A path that begins with any other name is of another crate, or of this file.
                    None => (!is_relative).then_some(at),
                };
            }
        }
        (rest, is_relative) = (others, false);
    }
    None
}

/// For each file that is in a circle, the shortest: each circle once.
fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let mut seen = BTreeSet::new();
    let circles = graph.keys().filter_map(|start| circle(graph, start));
    circles.filter(|circle| seen.insert(circle.iter().cloned().collect::<BTreeSet<_>>())).collect()
}

fn circle(graph: &Graph, start: &str) -> Option<Vec<String>> {
    let (mut paths, mut seen) = (vec![vec![start.to_owned()]], BTreeSet::new());
    while !paths.is_empty() {
        let mut longer = Vec::new();
        for path in paths {
            for next in graph.get(path.last()?).into_iter().flatten() {
                let path = [path.clone(), vec![next.clone()]].concat();
                if next == start {
                    return Some(path);
                }
                if seen.insert(next.clone()) {
                    longer.push(path);
                }
            }
        }
        paths = longer;
    }
    None
}

/// Imports from one layer into one above it, and files without a layer.
fn upward(graph: &Graph, layers: &[&str]) -> Vec<String> {
    let layer = |file: &str| {
        let of = |(rank, name): (usize, &&str)| is_within(file, name).then_some((name.len(), rank));
        layers.iter().enumerate().filter_map(of).max().map(|(_, rank)| rank)
    };
    let top = |file: &str| file.split("::").next().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for (file, imports) in graph.iter().filter(|(file, _)| !matches!(file.as_str(), "" | "main")) {
        let Some(own) = layer(file) else {
            found.push(format!("{file} has no layer"));
            continue;
        };
        for import in imports.iter().filter(|import| top(import) != top(file)) {
            if layer(import).is_some_and(|other| other > own) {
                found.push(format!("{file} ({}) imports {import} ({})", layers[own], top(import)));
            }
        }
    }
    found
}

mod planted {
    use super::*;

    fn crate_of(files: &[(&str, &str)]) -> Graph {
        graph(&files.iter().map(|(module, text)| ((*module).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn a_circle_is_found_however_it_is_written() {
        for (a, b) in [
            ("use crate::b::B;", "use super::a::A;"),
            ("use crate::{b::{B, C as D}, x};", "fn f(a: crate::a::A) {}"),
            ("fn f() { super::b::f() }", "use crate::a; fn f() { a::A::new() }"),
            ("use crate::b::*;", "pub(crate) use super::a::A; struct B(A);"),
            ("use crate::B;", "use crate::a::A;"),
        ] {
            let graph = crate_of(&[("", "mod a; mod b; pub use b::B;"), ("a", a), ("b", b)]);
            assert_eq!(circles(&graph), [["a", "b", "a"]], "{a} and {b}: {graph:?}");
        }
    }

    #[test]
    fn a_circle_of_three_is_found_once() {
        let files = [("a", "use crate::b::B;"), ("b", "use crate::c::C;"), ("b::d", "use super::B;")];
        let graph = crate_of(&[&files[..], &[("c", "use crate::a::A;")]].concat());
        assert_eq!(circles(&graph), [["a", "b", "c", "a"]], "{graph:?}");
    }

    #[test]
    fn tests_comments_texts_and_doors_are_no_imports() {
        for a in [
            "#[cfg(test)] mod tests { use crate::b::B; fn f() {} }",
            "// use crate::b::B;\n/* crate::b::B */",
            r##"const T: &str = "\" crate::b::B"; const R: &str = r#"" crate::b::B "#; const C: char = '"';"##,
            "pub use crate::b::B;",
            "use bytes::b::B; fn f<'a>() {}",
            "pub(in crate::b) struct A;",
        ] {
            let graph = crate_of(&[("", "mod a; mod b;"), ("a", a), ("b", "use crate::a::A;")]);
            assert!(circles(&graph).is_empty(), "{a}: {graph:?}");
        }
        let tested = [("a", "#[cfg(test)] mod t; pub struct A;"), ("a::t", "use crate::b::B;")];
        let graph = crate_of(&[&tested[..], &[("b", "use crate::a::A;")]].concat());
        assert!(circles(&graph).is_empty() && !graph.contains_key("a::t"), "{graph:?}");
    }

    #[test]
    fn an_import_of_the_standard_library_behind_an_own_one_is_found() {
        let sources = ["a", "a::core"].map(|module| (module.to_owned(), String::new())).into();
        let order = "use std::fmt;\nuse bytes::B;\npub use a::A;\nuse core::C;\nenum E {}\nuse E::{X, Y};\n";
        assert_eq!(out_of_order("a", order, &sources), None);
        let other = "use super::B;\nuse std::fmt;\n";
        assert_eq!(out_of_order("a", other, &sources), Some("std::fmt;"));
    }

    #[test]
    fn an_import_from_above_is_found_and_so_is_a_file_without_a_layer() {
        let graph = crate_of(&[
            ("low", "use crate::high::H;"),
            ("high", "use crate::low::L; use crate::low::x::X;"),
            ("high::door", "pub struct D;"),
            ("low::x", "use crate::high::door::D;"),
            ("other", ""),
        ]);
        let expected = ["low (low) imports high (high)", "other has no layer"];
        assert_eq!(upward(&graph, &["high::door", "low", "high"]), expected);
    }
}
