//! Processes that die while they write: after every death, what was acknowledged is there, once and whole, and nothing else.
//!
//! The process is this test's own binary, which runs [`writer`] alone. Half the time it is killed at a random moment, half
//! the time it ends itself between two durable steps. `TAMIS_TEST_CRASH_ROUNDS` deaths; `cargo xtask crash` for many.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tamis::document::{Block, BlockKind, MetadataValue, Revision, Segment};
use tamis::error::Error;
use tamis::index::embedded::EmbeddedIndex;
use tamis::index::{DocumentHead, Filter, Index, Scope, Selector, StoredSegment};
use tamis::span::Span;
use tamis::split::SPLITTER_VERSION;

use super::{head, open, segment, vector};

/// Deaths of a run in CI.
const ROUNDS: u64 = 200;
/// Steps between which a process may die.
const POINTS: [&str; 10] = [
    "after-append",
    "before-truth-commit",
    "before-lexical",
    "before-lexical-commit",
    "before-merge",
    "after-merge",
    "before-snapshot",
    "before-directory",
    "before-switch",
    "after-switch",
];
/// Documents that are written again and again.
const DOCUMENTS: u64 = 40;

fn scope() -> Scope {
    super::scope()
}

/// A collection that comes and goes.
fn other() -> Scope {
    Scope::new("default".parse().unwrap(), "other".parse().unwrap())
}

/// Two collections of one document each, `l` and `r`, that change names.
fn pair() -> [(Scope, &'static str); 2] {
    let named = |name: &str| Scope::new("default".parse().unwrap(), name.parse().unwrap());
    [(named("left"), "l"), (named("right"), "r")]
}

fn put_one(index: &EmbeddedIndex, scope: &Scope, id: &str) {
    match index.create_collection(scope, &index.collection(&self::scope()).unwrap().settings) {
        Ok(()) | Err(Error::AlreadyExists { .. }) => {}
        Err(e) => panic!("{e}"),
    }
    let revision = index.begin(scope).unwrap();
    let mut head = head(id, id, revision);
    head.content_hash = head.hash_content(SPLITTER_VERSION, std::iter::once(id));
    index.append(scope, &head, 0, &[segment(id, 1)]).unwrap();
    index.publish(scope, vec![head]).unwrap();
}

/// The one document of a collection.
fn only(index: &EmbeddedIndex, scope: &Scope) -> Option<String> {
    let documents = index.view(scope).ok()?.documents("", None, 2).unwrap();
    assert!(documents.len() < 2, "{documents:?}");
    documents.first().map(|head| head.id.to_string())
}

fn mixed(n: u64) -> u64 {
    let bits = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (bits ^ (bits >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11
}

/// The texts of a document's segments in a version.
fn texts(id: u64, version: u64) -> Vec<String> {
    let of = |n: u64| format!("marker{id}v{version}n{n} common sieve. ");
    (0..1 + mixed(id * 7919 + version) % 5).map(of).collect()
}

fn stage_version(index: &EmbeddedIndex, id: u64, version: u64) -> DocumentHead {
    let mut end = 0;
    let stored = |(n, text): (usize, &String)| {
        let span = Span::new(end, end + text.len());
        end += text.len();
        let blocks = vec![Block { span, kind: BlockKind::Sentence }];
        StoredSegment {
            segment: Segment { blocks, ..Segment::default() },
            covered: span,
            vector: vector((id * 5 + version + n as u64) as u8),
            ..segment(text, 0)
        }
    };
    let segments: Vec<StoredSegment> = texts(id, version).iter().enumerate().map(stored).collect();
    let revision = index.begin(&scope()).unwrap();
    let mut head = DocumentHead {
        metadata: [("version".to_owned(), MetadataValue::Number(version as f64))].into(),
        bytes: end as u64,
        segments: segments.len() as u32,
        blocks: segments.len() as u32,
        ..head(&format!("d{id:02}"), "", revision)
    };
    head.content_hash = head.hash_content(SPLITTER_VERSION, segments.iter().map(|s| s.text.as_str()));
    index.append(&scope(), &head, 0, &segments).unwrap();
    head
}

/// What a process wants to do, as it says before it does it.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Put(Vec<(u64, u64)>),
    Delete(Vec<u64>),
    Create,
    Drop,
    Switch,
}

impl Step {
    fn said(&self) -> String {
        match self {
            Self::Put(all) => {
                format!("put {}", all.iter().map(|(id, v)| format!("{id}:{v}")).collect::<Vec<_>>().join(","))
            }
            Self::Delete(ids) => format!("delete {}", ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",")),
            Self::Create => "create -".into(),
            Self::Drop => "drop -".into(),
            Self::Switch => "switch -".into(),
        }
    }

    fn heard(text: &str) -> Self {
        let (what, rest) = text.split_once(' ').unwrap();
        let number = |text: &str| text.parse::<u64>().unwrap();
        let pair = |text: &str| text.split_once(':').map(|(id, version)| (number(id), number(version))).unwrap();
        match what {
            "put" => Self::Put(rest.split(',').map(pair).collect()),
            "delete" => Self::Delete(rest.split(',').map(number).collect()),
            "create" => Self::Create,
            "drop" => Self::Drop,
            "switch" => Self::Switch,
            other => panic!("{other}"),
        }
    }
}

/// What is there: versions by document, the collection that comes and goes, and which of the pair has which name.
#[derive(Clone, Debug, Default, PartialEq)]
struct There {
    versions: BTreeMap<u64, u64>,
    other: bool,
    switched: bool,
}

impl There {
    fn after(&self, step: &Step) -> Self {
        let mut there = self.clone();
        match step {
            Step::Put(all) => there.versions.extend(all.iter().copied()),
            Step::Delete(ids) => there.versions.retain(|id, _| !ids.contains(id)),
            Step::Create => there.other = true,
            Step::Drop => there.other = false,
            Step::Switch => there.switched = !there.switched,
        }
        there
    }
}

/// The process that dies. It does nothing where nobody has asked for it.
#[test]
fn writer() {
    let Ok(directory) = std::env::var("TAMIS_TEST_CRASH_DIRECTORY") else { return };
    let seed: u64 = std::env::var("TAMIS_TEST_CRASH_SEED").unwrap().parse().unwrap();
    if let Ok(at) = std::env::var("TAMIS_TEST_CRASH_AT") {
        let (point, times) = at.split_once(':').unwrap();
        let left = AtomicU64::new(times.parse().unwrap());
        fail::cfg_callback(point, move || {
            if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                std::process::abort();
            }
        })
        .unwrap();
    }
    let index = open(Path::new(&directory));
    for (scope, id) in pair() {
        if only(&index, &scope).is_none() {
            put_one(&index, &scope, id);
        }
    }
    let mut has_other = index.collection(&other()).is_ok();
    for n in 0..40 {
        let random = |what: u64| mixed(seed * 1009 + n * 31 + what);
        let step = match random(0) % 10 {
            0 | 1 => Step::Delete((0..1 + random(1) % 3).map(|m| random(10 + m) % DOCUMENTS).collect()),
            2 if n % 2 == 1 => Step::Switch,
            2 if has_other => Step::Drop,
            2 => Step::Create,
            _ => {
                let one = |m| (random(10 + m) % DOCUMENTS, seed * 100 + n);
                Step::Put((0..1 + random(1) % 4).map(one).collect::<BTreeMap<_, _>>().into_iter().collect())
            }
        };
        // Something is always under way that is never published.
        let _never = stage_version(&index, random(2) % DOCUMENTS, 0);
        println!("\ntry {}", step.said());
        match &step {
            Step::Put(all) => {
                let heads = all.iter().map(|(id, version)| stage_version(&index, *id, *version)).collect();
                index.publish(&scope(), heads).unwrap();
            }
            Step::Delete(ids) => {
                let ids = ids.iter().map(|id| format!("d{id:02}").parse().unwrap()).collect();
                index.delete(&scope(), &Selector::Ids(ids)).unwrap();
            }
            Step::Create => {
                put_one(&index, &other(), "one");
                has_other = true;
            }
            Step::Switch => index.switch(&pair()[0].0, &pair()[1].0).unwrap(),
            Step::Drop => {
                index.delete_collection(&other()).unwrap();
                has_other = false;
            }
        }
        println!("\ndone");
    }
}

/// Runs a writer until it dies or ends: the steps that were acknowledged, the one that was not, and whether it died.
fn run(directory: &Path, round: u64) -> (Vec<Step>, Option<Step>, bool) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "crash::writer", "--nocapture"]);
    command.env("TAMIS_TEST_CRASH_DIRECTORY", directory).env("TAMIS_TEST_CRASH_SEED", (round + 1).to_string());
    let by_itself = round.is_multiple_of(2);
    if by_itself {
        let point = POINTS[(round / 2) as usize % POINTS.len()];
        command.env("TAMIS_TEST_CRASH_AT", format!("{point}:{}", 1 + mixed(round) % 6));
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let (mut done, mut under_way, mut killed) = (Vec::new(), None, by_itself);
    for line in lines {
        if let Some(step) = line.strip_prefix("try ") {
            under_way = Some(Step::heard(step));
            if !killed {
                killed = true;
                let id = child.id();
                let pause = Duration::from_micros(mixed(round * 3) % 120_000);
                std::thread::spawn(move || {
                    std::thread::sleep(pause);
                    let _ = Command::new("kill").args(["-9", &id.to_string()]).stderr(Stdio::null()).status();
                });
            }
        } else if line == "done" {
            done.extend(under_way.take());
        }
    }
    let died = !child.wait().unwrap().success();
    (done, under_way, died)
}

/// Opens the store and says what is there; fails for whatever contradicts itself.
fn look(directory: &Path) -> There {
    let index = open(directory);
    assert_eq!(index.check(false).unwrap(), [], "the parts of the index agree");
    let view = index.view(&scope()).unwrap();
    let mut versions = BTreeMap::new();
    for head in view.documents("", None, usize::MAX).unwrap() {
        let id: u64 = head.id.as_str()[1..].parse().unwrap();
        let Some(MetadataValue::Number(version)) = head.metadata.get("version") else { panic!("{head:?}") };
        let version = *version as u64;
        assert!(versions.insert(id, version).is_none(), "{id} is there twice");
        let texts = texts(id, version);
        let only = Filter::ids([head.id.clone()]);
        let dense = view.dense(&vector(1), &only, 100).unwrap().hits;
        let lexical = view.lexical(&["common".into()], &only, 100).unwrap();
        for hits in [dense, lexical] {
            let mut found: Vec<_> = hits.iter().map(|hit| hit.segment).collect();
            found.sort();
            assert!(found.iter().all(|segment| segment.revision == head.revision), "{id}");
            let stored = view.segments(&found).unwrap();
            assert_eq!(stored.iter().map(|s| s.text.clone()).collect::<Vec<_>>(), texts, "{id} is whole");
        }
    }
    let segments = view.dense(&vector(1), &Filter::All, 10_000).unwrap().hits.len();
    assert_eq!(segments as u64, index.collection(&scope()).unwrap().segments);
    assert!(view.document_of(Revision(0)).is_none());
    let [left, right] = pair().map(|(scope, _)| only(&index, &scope));
    let switched = left.as_deref() == Some("r");
    assert!(right.is_none() || (left.is_some() && left != right), "{left:?} and {right:?}");
    There { versions, other: index.collection(&other()).is_ok(), switched }
}

#[test]
fn what_was_acknowledged_outlives_every_death() {
    let rounds = std::env::var("TAMIS_TEST_CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let (mut there, mut deaths, mut half_way) = (There::default(), 0, 0);
    for round in 0.. {
        if deaths >= rounds {
            break;
        }
        let (done, under_way, died) = run(directory.path(), round);
        there = done.iter().fold(there, |there, step| there.after(step));
        let found = look(directory.path());
        match &under_way {
            // A step is done or it is not.
            Some(step) if found == there.after(step) => half_way += u64::from(found != there),
            _ => assert_eq!(found, there, "round {round}, under way: {under_way:?}"),
        }
        there = found;
        deaths += u64::from(died);
    }
    println!("{deaths} deaths, {half_way} of them after a step was durable and before it was acknowledged");
}
